use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use http::{HeaderValue, Request};
use serde_json::Value;

use super::format::Formatter;
use super::*;

fn asked(target: &str, fields: &[(&str, &[u8])]) -> Asked {
    let mut request = Request::builder().uri(target);
    for (name, value) in fields {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    Asked::of(&request.body(()).unwrap().into_parts().0)
}

fn full() -> Asked {
    let fields: [(&str, &[u8]); 3] = [
        ("host", b"www.example.com"),
        ("user-agent", b"curl/8.0 \"x\""),
        ("referer", b"https://a/?b=c"),
    ];
    asked("/x?y=1", &fields)
}

fn line(asked: &Asked) -> Line<'_> {
    Line {
        asked,
        began: Instant::now(),
        client: [192, 0, 2, 1].into(),
        tls: "TLSv1.3",
        status: 502,
        received: 3,
        sent: 42,
        app: "web",
        slot: "green",
        release: "1.1",
        target: "10.0.0.11:9002",
        retries: 1,
        error: "reset",
        request_id: b"abc",
        connect: Some(Duration::from_micros(250)),
        first_byte: None,
        total: Duration::from_micros(12_345),
    }
}

/// What `format` makes of `line`.
fn text(format: Format, line: &Line<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    Formatter::new(format).write(line, &mut out);
    out
}

#[test]
fn json_has_every_field() {
    let asked = full();
    let line = line(&asked);
    let mut object: Value = serde_json::from_slice(&text(Format::Json, &line)).unwrap();
    let time = object.as_object_mut().unwrap().remove("time").unwrap();
    let time = time.as_str().unwrap();
    let (parsed, now) = (time.parse::<jiff::Timestamp>().unwrap(), jiff::Timestamp::now());
    assert!(parsed <= now && now.duration_since(parsed).as_mins() == 0, "{time}");
    assert_eq!(time.len(), "2026-11-21T14:00:00.000Z".len());
    let expected = serde_json::json!({
        "client": "192.0.2.1", "method": "GET", "host": "www.example.com", "path": "/x?y=1",
        "protocol": "HTTP/1.1", "status": 502, "bytes_in": 3, "bytes_out": 42, "app": "web",
        "slot": "green", "release": "1.1", "target": "10.0.0.11:9002", "connect_ms": 0.25,
        "total_ms": 12.345, "retries": 1, "error": "reset", "request_id": "abc",
        "user_agent": "curl/8.0 \"x\"", "referer": "https://a/?b=c", "tls": "TLSv1.3",
    });
    assert_eq!(object, expected);
}

#[test]
fn json_is_in_the_order_of_the_documentation() {
    let asked = full();
    let line = text(Format::Json, &line(&asked));
    let line = std::str::from_utf8(&line).unwrap();
    let (time, after) = line.split_once(",\"client\"").unwrap();
    assert!(time.starts_with("{\"time\":\"") && time.ends_with("Z\""), "{time}");
    assert_eq!(
        after,
        ":\"192.0.2.1\",\"method\":\"GET\",\"host\":\"www.example.com\",\
         \"path\":\"/x?y=1\",\"protocol\":\"HTTP/1.1\",\"status\":502,\"bytes_in\":3,\
         \"bytes_out\":42,\"app\":\"web\",\"slot\":\"green\",\"release\":\"1.1\",\
         \"target\":\"10.0.0.11:9002\",\"connect_ms\":0.250,\"total_ms\":12.345,\"retries\":1,\
         \"error\":\"reset\",\"request_id\":\"abc\",\"user_agent\":\"curl/8.0 \\\"x\\\"\",\
         \"referer\":\"https://a/?b=c\",\"tls\":\"TLSv1.3\"}\n"
    );
}

#[test]
fn combined_is_what_apache_writes_with_more_behind_it() {
    let asked = full();
    let line = line(&asked);
    let text = String::from_utf8(text(Format::Combined, &line)).unwrap();
    let (before, rest) = text.split_once(" [").unwrap();
    let (time, after) = rest.split_once("] ").unwrap();
    assert_eq!(before, "192.0.2.1 - -");
    assert!(time.ends_with(" +0000") && time.len() == "21/Nov/2026:14:00:00 +0000".len(), "{time}");
    assert_eq!(
        after,
        "\"GET /x?y=1 HTTP/1.1\" 502 42 \"https://a/?b=c\" \"curl/8.0 \\x22x\\x22\" \
         host=\"www.example.com\" app=\"web\" slot=\"green\" release=\"1.1\" \
         target=\"10.0.0.11:9002\" error=\"reset\" id=\"abc\" connect=0.250 first_byte=- \
         total=12.345 retries=1 bytes_in=3 tls=TLSv1.3\n"
    );
}

#[test]
fn what_there_was_not_is_left_away_or_a_dash() {
    let asked = asked("*", &[]);
    let nothing = Line {
        tls: "",
        status: 0,
        app: "",
        slot: "",
        release: "",
        target: "",
        retries: 0,
        error: "",
        request_id: b"",
        connect: None,
        ..line(&asked)
    };
    let object: Value = serde_json::from_slice(&text(Format::Json, &nothing)).unwrap();
    let keys: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "bytes_in",
        "bytes_out",
        "client",
        "method",
        "path",
        "protocol",
        "status",
        "time",
        "total_ms",
    ];
    assert_eq!(keys, expected);
    let text = String::from_utf8(text(Format::Combined, &nothing)).unwrap();
    assert!(text.contains("\"GET * HTTP/1.1\" 000 42 \"-\" \"-\" host=\"-\" app=\"-\""), "{text}");
}

#[test]
fn no_client_can_write_a_line_of_its_own() {
    let mut rng = fastrand::Rng::with_seed(117);
    let likely = b"\"\\\t\x80\x9b\xc2\xe2\xa8 x{}";
    for _ in 0..5000 {
        let mut bytes = vec![0; rng.usize(0..30)];
        bytes.fill_with(|| match rng.u8(0..4) {
            0 => rng.u8(..),
            _ => likely[rng.usize(0..likely.len())],
        });
        if HeaderValue::from_bytes(&bytes).is_err() {
            continue;
        }
        let asked = asked("/", &[("user-agent", &bytes), ("referer", &bytes), ("host", &bytes)]);
        let json = text(Format::Json, &line(&asked));
        let shown = String::from_utf8(json).unwrap();
        assert!(shown.strip_suffix('\n').is_some_and(|line| !line.contains(char::is_control)));
        let object: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(
            object["referer"].as_str().unwrap_or_default(),
            object["host"].as_str().unwrap_or_default()
        );
        let combined = text(Format::Combined, &line(&asked));
        let (newline, line) = combined.split_last().unwrap();
        assert!(*newline == b'\n' && line.iter().all(|b| (b' '..=b'~').contains(b)));
        // All quotes are the format's own.
        assert_eq!(line.split(|b| *b == b'"').count(), 21);
    }
}

#[test]
fn a_text_too_long_is_cut_and_its_neighbours_are_not() {
    let path = format!("/{}", "x".repeat(20_000));
    let asked = asked(&path, &[("host", b"a"), ("referer", b"r")]);
    let object: Value = serde_json::from_slice(&text(Format::Json, &line(&asked))).unwrap();
    assert_eq!(object["path"].as_str().unwrap(), &path[..8192]);
    assert_eq!((&object["host"], &object["referer"]), (&"a".into(), &"r".into()));
}

/// The lines in the file at `path`.
fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn lines_of_all_threads_are_written_by_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let log = AccessLog::start(Output::file(&path).unwrap(), Format::Json, 100_000).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            let lane = log.lane();
            scope.spawn(move || {
                let asked = full();
                (0..1000).for_each(|_| lane.push(&line(&asked)));
            });
        }
    });
    let counts = Arc::clone(log.counts());
    log.close();
    assert_eq!((counts.written(), counts.dropped()), (3000, 0));
    let lines = lines(&path);
    assert_eq!(lines.len(), 3000);
    assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

/// A lane with a batch of one line, room for `room` of them, and nobody who writes.
fn stuck(room: usize) -> (Lane, Arc<Counts>, Receiver<Batch>) {
    let (batches, waiting) = mpsc::sync_channel(room);
    let counts = Arc::new(Counts::default());
    (Lane::new(batches, Arc::clone(&counts), Format::Json, 1), counts, waiting)
}

#[test]
fn a_writer_that_is_behind_costs_lines_and_no_time() {
    let (lane, counts, waiting) = stuck(2);
    let asked = full();
    // Each push would wait for ever if it waited at all.
    (0..10).for_each(|_| lane.push(&line(&asked)));
    assert_eq!(counts.dropped(), 8);
    assert_eq!(waiting.try_iter().map(|batch| batch.lines).sum::<u64>(), 2);
    drop(waiting);
    lane.push(&line(&asked));
    assert_eq!(counts.dropped(), 9);
}

#[test]
fn a_full_disk_costs_lines_and_one_complaint_a_minute() {
    let (lane, counts, waiting) = stuck(100);
    let full_disk = Output::file(Path::new("/dev/full")).unwrap();
    let mut writer = Writer::new(full_disk, Arc::clone(&counts));
    let asked = full();
    let lose_one = |writer: &mut Writer| {
        lane.push(&line(&asked));
        writer.turn(waiting.recv().unwrap(), &waiting);
    };
    lose_one(&mut writer);
    let began = Instant::now();
    assert_eq!((counts.written(), counts.dropped()), (0, 1));
    assert!(!writer.complain(began), "the turn has complained");
    lose_one(&mut writer);
    assert!(!writer.complain(began + Duration::from_secs(50)), "too early");
    assert!(writer.complain(began + Duration::from_mins(2)));
    assert!(!writer.complain(began + Duration::from_mins(9)), "nothing new");
    assert_eq!(counts.dropped(), 2);
}

#[test]
fn a_file_that_was_moved_away_is_left_when_told() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (directory.path().join("log"), directory.path().join("log.1"));
    let (lane, counts, waiting) = stuck(100);
    let mut writer = Writer::new(Output::file(&path).unwrap(), Arc::clone(&counts));
    let asked = full();
    let mut write = |lines: usize| {
        (0..lines).for_each(|_| lane.push(&line(&asked)));
        writer.turn(Batch::default(), &waiting);
    };
    write(1);
    fs::rename(&path, &old).unwrap();
    write(1);
    assert_eq!((lines(&old).len(), path.exists()), (2, false), "nobody has said so yet");
    counts.reopen.store(true, Relaxed);
    write(1);
    assert_eq!((lines(&old).len(), lines(&path).len()), (3, 0), "what waited is of the old file");
    write(2);
    assert_eq!((lines(&old).len(), lines(&path).len()), (3, 2));
    // Where it cannot be made anew, the old one goes on.
    fs::rename(&path, directory.path().join("log.2")).unwrap();
    fs::create_dir(&path).unwrap();
    counts.reopen.store(true, Relaxed);
    write(1);
    write(1);
    assert_eq!((counts.written(), counts.dropped()), (7, 0));
}

#[test]
fn others_may_write_to_the_file_and_cut_it_off() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut output = Output::file(&path).unwrap();
    assert_eq!(output.write(b"one\n").0, 4);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"theirs\n").unwrap();
    assert_eq!(output.write(b"two\n").0, 4);
    assert_eq!(lines(&path), ["one", "theirs", "two"]);
    fs::write(&path, "").unwrap();
    assert_eq!(output.write(b"three\n").0, 6);
    assert_eq!(lines(&path), ["three"]);
}
