//! The state machine as tables: keys in, what is served, refused and pending out.

use std::collections::BTreeSet;

use shunt_config::status::Refusal;
use shunt_config::store::Entry;

use super::*;
use crate::control::desired::Desired;

const TIMEOUT: Duration = Duration::from_mins(1);

/// One app's keys, its state and what is proved.
struct Bench {
    desired: Desired,
    state: State,
    proved: BTreeSet<String>,
    now: Moment,
    puts: u64,
}

impl Bench {
    fn new() -> Self {
        let now = Moment::now();
        let (desired, state, proved) = Default::default();
        Self { desired, state, proved, now, puts: 0 }
    }

    /// An app that serves blue, with a proved release in each slot.
    fn serving() -> Self {
        let mut bench = Self::new();
        bench.put("app", r#"{"hosts":["www.example.com"]}"#);
        bench.put_proved("blue", "10.0.0.1:1");
        bench.put_proved("green", "10.0.0.1:2");
        bench.put("active", "blue");
        bench
    }

    /// Puts a key; its token is `<key>-<n>`.
    fn put(&mut self, key: &str, value: impl AsRef<[u8]>) -> Verdict {
        self.puts += 1;
        let entry = Entry {
            key: format!("apps/web/{key}"),
            value: value.as_ref().to_vec().into(),
            token: format!("{key}-{}", self.puts).as_str().into(),
            created: 1,
            fault: None,
        };
        self.desired.put(&entry);
        self.step()
    }

    fn put_proved(&mut self, slot: &str, value: &str) -> Verdict {
        self.proved.insert(format!("{slot}-{}", self.puts + 1));
        self.put(slot, value)
    }

    fn delete(&mut self, key: &str) -> Verdict {
        self.desired.delete(&format!("apps/web/{key}"));
        self.step()
    }

    fn step(&mut self) -> Verdict {
        let app = "web".parse().unwrap();
        let none = Wanted::default();
        let proof = |token: &Token| match self.proved.contains(token.as_str()) {
            true => Ok(()),
            false => Err("target 10.0.0.1:9: connection refused".to_owned()),
        };
        let look = Look {
            app: &app,
            wanted: self.desired.app(&app).unwrap_or(&none),
            conflict: None,
            proof: &proof,
            now: self.now,
            flip_timeout: TIMEOUT,
        };
        let verdict = self.state.step_settings(&look);
        self.state.step(&look, verdict)
    }

    fn pass(&mut self, time: Duration) -> Verdict {
        self.now.at += time;
        self.step()
    }

    /// `blue-1:100`, or `-`.
    fn serves(&self) -> String {
        let Some(flip) = self.state.flip() else { return "-".to_owned() };
        let share = |(slot, put): &(Slot, Put<Release>)| {
            format!("{}:{}", put.token, flip.active.value.share(*slot))
        };
        flip.releases.iter().map(share).collect::<Vec<_>>().join(" ")
    }
}

fn refused(verdict: &Verdict) -> Vec<(&str, &str)> {
    let short = |r: &Refusal| r.key.strip_prefix("apps/web/").is_some();
    assert!(verdict.refused.iter().all(short));
    verdict.refused.iter().map(|r| (&r.key["apps/web/".len()..], r.reason.as_str())).collect()
}

#[test]
fn a_flip_to_a_proved_slot_waits_for_nothing() {
    let mut bench = Bench::serving();
    assert_eq!(bench.serves(), "blue-2:100");
    assert_eq!(bench.put("active", "green"), Verdict::default());
    assert_eq!(bench.serves(), "green-3:100");
    bench.put("active", "blue:90,green:10");
    assert_eq!(bench.serves(), "blue-2:90 green-3:10");
}

#[test]
fn bad_values_are_refused_and_what_is_served_stays() {
    let huge = format!(r#"{{"hosts":["{}"]}}"#, "a".repeat(300_000));
    let json = |rest: &str| format!(r#"{{"hosts":["a"],{rest}}}"#);
    let table: Vec<(&str, Vec<u8>, &str)> = [
        ("app", "", "empty value"),
        ("app", " \n", "empty value"),
        ("app", "www.example.com", "no JSON object"),
        ("app", "{", "EOF"),
        ("app", "[]", "no JSON object"),
        ("app", "null", "no JSON object"),
        ("app", "{}", "missing key `hosts`"),
        ("app", r#"{"hosts":[]}"#, "`hosts` is empty"),
        ("app", r#"{"hosts":"www.example.com"}"#, "has to be"),
        ("app", r#"{"hosts":[7]}"#, "has to be"),
        ("app", r#"{"hots":["a"]}"#, "did you mean `hosts`?"),
        ("app", r#"{"hosts":["http://a"]}"#, "leave port and scheme away"),
        ("app", r#"{"hosts":["a:80"]}"#, "leave port and scheme away"),
        ("app", r#"{"hosts":["a b"]}"#, "no host name"),
        ("app", r#"{"hosts":["*.*.a"]}"#, "no host name"),
        ("app", r#"{"hosts":["a"]} x"#, "trailing"),
        ("app", &huge, "larger than"),
        ("app", &json(r#""paths":["api"]"#), "no path prefix"),
        ("app", &json(r#""paths":["/../x"]"#), "no path prefix"),
        ("app", &json(r#""paths":[]"#), "`paths` is empty"),
        ("app", &json(r#""balance":"random"#), "EOF"),
        ("app", &json(r#""balance":"random""#), "random"),
        ("app", &json(r#""sticky":"cookie""#), "cookie"),
        ("app", &json(r#""strip_prefix":1"#), "has to be"),
        ("app", &json(r#""health":{"interval":"1"}"#), "not a duration"),
        ("app", &json(r#""health":{"interval":"0s"}"#), "out of range"),
        ("app", &json(r#""health":{"path":"up"}"#), "begins with `/`"),
        ("app", &json(r#""health":{"status":"2xx"}"#), "no list of statuses"),
        ("app", &json(r#""health":{"fall":0}"#), "1 to 100"),
        ("app", &json(r#""health":{"method":"POST"}"#), "POST"),
        ("app", &json(r#""timeouts":{"conect":"1s"}"#), "did you mean `connect`?"),
        ("blue", "", "empty value"),
        ("blue", "green", "port is missing"),
        ("blue", "10.0.0.1", "port is missing"),
        ("blue", "10.0.0.1:0", "1 to 65535"),
        ("blue", "10.0.0.1:99999", "1 to 65535"),
        ("blue", "http://10.0.0.1:80", "leave the scheme away"),
        ("blue", "10.0.0.256:80", "neither a DNS name"),
        ("blue", "10.0.0.1:1 10.0.0.1:1", "named twice"),
        ("blue", "unix:run/web.sock", "absolute"),
        ("blue", r#"{"target":["a:1"]}"#, "did you mean `targets`?"),
        ("blue", r#"{"targets":[]}"#, "`targets` is empty"),
        ("blue", r#"{"targets":"a:1"}"#, "has to be"),
        ("blue", r#"{"targets":["a:1"],"protocol":"h3"}"#, "h3"),
        ("blue", r#"{"targets":[{"address":"a:1","weight":0}]}"#, "1 to 1000"),
        ("blue", r#"{"targets":["a:1"],"health":{"port":0}}"#, "1 to 65535"),
        ("active", "", "empty value"),
        ("active", "Green", "did you mean `green`?"),
        ("active", "gren", "did you mean `green`?"),
        ("active", "red", "no slot"),
        ("active", "\"green\"", "no slot"),
        ("active", "blue green", "no slot"),
        ("active", "blue:90,green:20", "sum to 110"),
        ("active", "blue:50", "sum to 50"),
        ("active", "blue:50,blue:50", "twice"),
        ("active", "blue:-10,green:110", "no split"),
        ("hold", r#"{"mode":"hold","for":"2h"}"#, "for 1h at most"),
        ("hold", r#"{"mode":"hold","allow":["10.0.0.0/8"]}"#, "lets nobody through"),
        ("hold", r#"{"mode":"maintenance","then":"refuse"}"#, "refuses already"),
        ("hold", "yes", "no JSON object"),
        ("aktive", "green", "did you mean `active`?"),
        ("purple", "10.0.0.1:1", "is no key"),
        ("blue/x", "10.0.0.1:1", "is no key"),
    ]
    .into_iter()
    .map(|(key, value, word)| (key, value.as_bytes().to_vec(), word))
    .chain([
        ("app", vec![0xff, 0xfe, 0x00], "not UTF-8"),
        ("blue", vec![0, 1, 2, 0xff], "not UTF-8"),
        ("active", vec![0xc3, 0x28], "not UTF-8"),
    ])
    .collect();
    assert!(table.len() >= 40);
    for (key, value, word) in table {
        let shown = String::from_utf8_lossy(&value).chars().take(60).collect::<String>();
        let mut bench = Bench::serving();
        let before = bench.state.served().cloned();
        let verdict = bench.put(key, &value);
        let said = refused(&verdict);
        assert!(
            said.len() == 1 && said[0].0 == key && said[0].1.contains(word),
            "{key} = {shown}: {said:?}"
        );
        assert_eq!(bench.state.served().cloned(), before, "{key} = {shown}");
        assert_eq!(verdict.pending, None, "{key} = {shown}");
    }
}

#[test]
fn a_flip_to_an_empty_slot_is_pending_with_its_reason() {
    let mut bench = Bench::serving();
    bench.delete("green");
    let verdict = bench.put("active", "green");
    let pending = verdict.pending.unwrap();
    assert_eq!(pending.reason, "no release is in slot `green`");
    assert_eq!(pending.active, Some("active-5".into()));
    assert_eq!(bench.serves(), "blue-2:100");
}

#[test]
fn a_pending_flip_applies_as_soon_as_it_is_proved() {
    let mut bench = Bench::serving();
    bench.put("green", "10.0.0.1:3");
    let pending = bench.put("active", "green").pending.unwrap();
    assert_eq!(pending.tokens, [Token::from("green-5")]);
    assert_eq!(pending.reason, "green: target 10.0.0.1:9: connection refused");
    bench.proved.insert("green-5".into());
    assert_eq!(bench.pass(TIMEOUT / 2), Verdict::default());
    assert_eq!(bench.serves(), "green-5:100");
}

#[test]
fn a_flip_not_proved_in_time_is_refused_until_one_of_its_keys_is_put_again() {
    let mut bench = Bench::serving();
    bench.put("green", "10.0.0.1:3");
    let deadline = bench.put("active", "green").deadline.unwrap();
    assert_eq!(deadline, bench.now.at + TIMEOUT);
    let verdict = bench.pass(TIMEOUT);
    let said = refused(&verdict);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, "active");
    assert!(said[0].1.starts_with("not proved within 1m: green: target"), "{said:?}");
    // Proved too late: nothing is applied by surprise.
    bench.proved.insert("green-5".into());
    assert_eq!(refused(&bench.pass(TIMEOUT)).len(), 1);
    assert_eq!(bench.serves(), "blue-2:100");
    // The same text again is a new putting.
    assert_eq!(bench.put("active", "green"), Verdict::default());
    assert_eq!(bench.serves(), "green-5:100");
}

#[test]
fn a_refused_flip_is_tried_again_when_its_slot_is_put_again() {
    let mut bench = Bench::serving();
    bench.put("green", "10.0.0.1:3");
    bench.put("active", "green");
    bench.pass(TIMEOUT);
    assert!(bench.put("green", "10.0.0.1:4").pending.is_some());
    assert!(bench.pass(TIMEOUT / 2).pending.is_some());
}

#[test]
fn a_new_release_in_a_slot_that_serves_is_gated_like_a_flip() {
    let mut bench = Bench::serving();
    let pending = bench.put("blue", "10.0.0.1:3").pending.unwrap();
    assert_eq!((pending.active, pending.tokens.len()), (None, 1));
    assert_eq!(bench.serves(), "blue-2:100");
    let verdict = bench.pass(TIMEOUT);
    assert_eq!(refused(&verdict)[0].0, "blue");
    bench.put_proved("blue", "10.0.0.1:3");
    assert_eq!(bench.serves(), "blue-6:100");
}

#[test]
fn a_flip_does_not_wait_for_a_slot_it_does_not_name() {
    let mut bench = Bench::serving();
    bench.put("blue", "10.0.0.1:3");
    assert_eq!(bench.put("active", "green"), Verdict::default());
    assert_eq!(bench.serves(), "green-3:100");
}

#[test]
fn deleting_active_or_a_serving_slot_is_a_bad_value_and_a_standby_slot_may_go() {
    let mut bench = Bench::serving();
    assert_eq!(bench.delete("green"), Verdict::default());
    let verdict = bench.delete("active");
    assert_eq!(refused(&verdict), [("active", "deleted while the app serves; `blue` stays")]);
    assert_eq!(verdict.refused[0].token, None);
    let verdict = bench.delete("blue");
    assert_eq!(refused(&verdict).iter().map(|r| r.0).collect::<Vec<_>>(), ["active", "blue"]);
    assert_eq!(bench.serves(), "blue-2:100");
}

#[test]
fn a_bad_value_in_the_standby_slot_cannot_be_flipped_to() {
    let mut bench = Bench::serving();
    bench.put("green", "nonsense");
    let verdict = bench.put("active", "green");
    assert_eq!(verdict.pending.unwrap().reason, "the value of slot `green` is refused");
    assert_eq!(bench.serves(), "blue-2:100");
}

#[test]
fn deleting_the_app_key_removes_the_app_and_a_sweeping_loss_does_not() {
    let mut bench = Bench::serving();
    bench.desired.doubt(&"web".parse().unwrap());
    let verdict = bench.delete("app");
    assert_eq!(refused(&verdict)[0].0, "app");
    assert_eq!(bench.serves(), "blue-2:100");

    let mut bench = Bench::serving();
    bench.delete("app");
    assert!(bench.state.served().is_none());
}

#[test]
fn settings_apply_at_once_and_by_themselves() {
    let mut bench = Bench::serving();
    bench.put("green", "10.0.0.1:3");
    bench.put("active", "green");
    let verdict = bench.put("app", r#"{"hosts":["other.example.com"]}"#);
    assert!(verdict.pending.is_some());
    assert_eq!(bench.state.served().unwrap().settings.token, "app-7".into());
    assert_eq!(bench.serves(), "blue-2:100");
}

#[test]
fn settings_that_conflict_with_another_app_are_refused() {
    let bench = Bench::serving();
    let app = "web".parse().unwrap();
    let mistake = Mistake::new("host `x` is app `api`'s");
    let value = Wanted { app: bench.desired.app(&app).unwrap().app.clone(), ..Wanted::default() };
    let look = Look {
        app: &app,
        wanted: &value,
        conflict: Some(&mistake),
        proof: &|_| Ok(()),
        now: bench.now,
        flip_timeout: TIMEOUT,
    };
    let mut state = State::default();
    let verdict = state.step_settings(&look);
    let verdict = state.step(&look, verdict);
    assert_eq!(refused(&verdict), [("app", "host `x` is app `api`'s")]);
    assert!(state.served().is_none());
}

#[test]
fn an_app_that_serves_nothing_waits_for_its_first_proof_without_a_limit() {
    let mut bench = Bench::new();
    bench.put("app", r#"{"hosts":["a"]}"#);
    bench.put("blue", "10.0.0.1:1");
    assert!(bench.put("active", "blue").pending.is_some());
    assert!(bench.pass(TIMEOUT * 100).pending.is_some());
    bench.proved.insert("blue-2".into());
    assert_eq!(bench.step(), Verdict::default());
    assert_eq!(bench.serves(), "blue-2:100");
}

#[test]
fn a_refused_flip_stays_refused_across_a_restart() {
    let mut bench = Bench::serving();
    bench.put("green", "10.0.0.1:3");
    bench.put("active", "green");
    bench.pass(TIMEOUT);
    let given_up = bench.state.given_up().map(|(goal, why)| (goal.clone(), why.to_owned()));
    bench.state = State::restored(bench.state.served().unwrap().clone(), given_up);
    bench.proved.insert("green-5".into());
    assert_eq!(refused(&bench.step())[0].0, "active");
    assert_eq!(bench.serves(), "blue-2:100");
}

#[test]
fn what_serves_and_what_is_announced_is_probed() {
    let mut bench = Bench::serving();
    bench.put("blue", "10.0.0.1:3");
    let app = "web".parse().unwrap();
    let announced = bench.state.announced(bench.desired.app(&app).unwrap());
    let tokens: Vec<_> = announced.iter().map(|(_, put)| put.token.as_str()).collect();
    assert_eq!(tokens, ["blue-5", "green-3", "blue-2"]);
}
