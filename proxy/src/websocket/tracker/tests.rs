use fastrand::Rng;

use super::*;

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;

/// One frame with a payload of `length` bytes that look like a header of their own.
fn frame(sender: Sender, first: u8, length: usize) -> Vec<u8> {
    let mask = if sender == Sender::Client { 0x80 } else { 0 };
    let mut frame = vec![first];
    match length {
        0..=125 => frame.push(mask | u8::try_from(length).unwrap()),
        126..=0xffff => {
            frame.push(mask | 0x7e);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            frame.push(mask | 0x7f);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    if mask != 0 {
        frame.extend([0x88, 0x80, 0x81, 0x82]);
    }
    frame.extend([0x88, 0x02].iter().cycle().take(length));
    frame
}

fn server(frames: &[(u8, usize)]) -> Vec<u8> {
    frames.iter().flat_map(|(first, length)| frame(Sender::Server, *first, *length)).collect()
}

#[test]
fn the_examples_of_rfc_6455_5_7_are_followed() {
    let mut tracker = Tracker::new(Sender::Server);
    let hello = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(tracker.advance(&hello), Position::BetweenMessages);
    assert_eq!(tracker.advance(&[0x01, 0x03, 0x48, 0x65, 0x6c]), Position::InMessage);
    assert_eq!(tracker.advance(&[0x80, 0x02, 0x6c]), Position::InFrame);
    assert_eq!(tracker.advance(&[0x6f]), Position::BetweenMessages);
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(Tracker::new(Sender::Client).advance(&masked), Position::BetweenMessages);
}

#[test]
fn control_frames_come_between_the_frames_of_a_message() {
    let mut tracker = Tracker::new(Sender::Server);
    assert_eq!(tracker.advance(&server(&[(TEXT, 3), (FIN | PING, 4)])), Position::InMessage);
    assert_eq!(tracker.advance(&server(&[(CONTINUATION, 0)])), Position::InMessage);
    assert_eq!(tracker.advance(&server(&[(FIN | CONTINUATION, 9)])), Position::BetweenMessages);
}

#[test]
fn a_close_frame_is_the_last_word_in_or_between_messages() {
    for before in [TEXT, FIN | TEXT] {
        for length in [0, 2, 125] {
            let mut tracker = Tracker::new(Sender::Server);
            let bytes = server(&[(before, 1), (FIN | CLOSE, length)]);
            let (last, rest) = bytes.split_last().unwrap();
            assert_eq!(tracker.advance(rest), Position::InFrame);
            assert_eq!(tracker.advance(&[*last]), Position::Closed);
            assert_eq!(tracker.advance(b"anything"), Position::Closed);
        }
    }
}

#[test]
fn what_is_not_websocket_is_never_taken_for_a_place_between_frames() {
    for (bytes, why) in [
        (server(&[(CONTINUATION | FIN, 1)]), "5.4: continues no message"),
        (server(&[(TEXT, 1), (TEXT, 1)]), "5.4: begins a message within another"),
        (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), "not WebSocket"),
        (frame(Sender::Client, FIN | TEXT, 1), "5.1: masked by a server"),
    ] {
        let mut tracker = Tracker::new(Sender::Server);
        assert_eq!(tracker.advance(&bytes), Position::Lost, "{why}");
        assert_eq!(tracker.advance(&server(&[(FIN | TEXT, 1)])), Position::Lost, "{why}");
    }
}

#[test]
fn a_frame_that_is_too_long_to_end_is_inside_for_ever() {
    let mut tracker = Tracker::new(Sender::Server);
    tracker.advance(&[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(tracker.advance(&[0; 4096]), Position::InFrame);
}

#[test]
fn the_end_of_a_frame_is_found_within_bytes_that_go_on() {
    let bytes = server(&[(FIN | TEXT, 5), (FIN | BINARY, 300), (FIN | PING, 0)]);
    let mut tracker = Tracker::new(Sender::Server);
    assert_eq!(tracker.advance_to_frame_end(&bytes), 7);
    assert_eq!(tracker.advance_to_frame_end(&bytes[7..]), 304);
    assert_eq!(tracker.advance_to_frame_end(&bytes[311..]), 2);
    assert_eq!(tracker.advance_to_frame_end(&[]), 0);
}

/// Random sound frames, with the place after each of them and what is known there.
fn random_frames(rng: &mut Rng, sender: Sender) -> (Vec<u8>, Vec<(usize, Position)>) {
    let (mut bytes, mut ends, mut in_message) = (Vec::new(), Vec::new(), false);
    for _ in 0..rng.usize(1..12) {
        let control = rng.u8(0..4) == 0;
        let fin = control || rng.bool();
        let opcode = match (control, in_message) {
            (true, _) => PING + rng.u8(0..2),
            (false, true) => CONTINUATION,
            (false, false) => rng.u8(TEXT..=BINARY) | if rng.bool() { 0x40 } else { 0 },
        };
        let long = [rng.usize(0..126), rng.usize(126..400), 0xffff, 0x10000];
        let length = if control { rng.usize(0..126) } else { rng.choice(long).unwrap() };
        bytes.extend(frame(sender, opcode | if fin { FIN } else { 0 }, length));
        in_message = if control { in_message } else { !fin };
        let reached = if in_message { Position::InMessage } else { Position::BetweenMessages };
        ends.push((bytes.len(), reached));
    }
    (bytes, ends)
}

#[test]
fn any_split_of_the_bytes_finds_the_same_frames() {
    let mut rng = Rng::with_seed(6455);
    for round in 0..200 {
        let sender = if rng.bool() { Sender::Client } else { Sender::Server };
        let (bytes, ends) = random_frames(&mut rng, sender);
        let mut tracker = Tracker::new(sender);
        let mut at = 0;
        while at < bytes.len() {
            // Small pieces around the ends of frames, where headers are.
            let most = if rng.bool() { 4 } else { 40_000 };
            let end = (at + rng.usize(1..=most)).min(bytes.len());
            let position = tracker.advance(&bytes[at..end]);
            at = end;
            let known = ends.iter().find(|(end, _)| *end == at);
            let expected = known.map_or(Position::InFrame, |(_, reached)| *reached);
            assert_eq!(position, expected, "round {round}, byte {at}");
        }
    }
}

#[test]
fn no_bytes_at_all_make_the_tracker_fail() {
    let mut rng = Rng::with_seed(1001);
    for _ in 0..20_000 {
        // Bytes that headers are made of, or nearly all would be lost at the first.
        let likely = |rng: &mut Rng| rng.choice([0x81, 0x02, 0x88, 0x80, 0, 1, 126, 127]);
        let mut bytes = vec![0; rng.usize(0..64)];
        bytes.fill_with(|| likely(&mut rng).filter(|_| rng.u8(0..8) > 0).unwrap_or(rng.u8(..)));
        let sender = if rng.bool() { Sender::Client } else { Sender::Server };
        let (mut whole, mut single) = (Tracker::new(sender), Tracker::new(sender));
        for byte in &bytes {
            single.advance(&[*byte]);
        }
        // Whole or byte by byte, it is the same.
        assert_eq!(whole.advance(&bytes), single.position(), "{bytes:x?}");
    }
}
