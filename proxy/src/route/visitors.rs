//! The visitors of an app whose requests are split: each has a number, in a cookie.
//!
//! Numbers are drawn from a sequence of which every stretch is spread evenly: of any visitors who came
//! one after the other, each share gets what it should, within a handful. There is one sequence for
//! all threads; several proxies begin at places of their own.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{HeaderMap, HeaderValue};
use shunt_config::AppName;
use shunt_config::sticky::Cookie;

use super::mark::{Key, attributes, cookies};

/// As many numbers as there are, from 0.
pub(super) const NUMBERS: u32 = 10_000;

/// From one number to the next. It has no divisor in common with [`NUMBERS`], so each comes once in a
/// round; and it is near the golden ratio, so what comes in a row is spread as evenly as can be.
const STRIDE: u32 = 6_181;

/// The visitors of one app.
#[derive(Debug)]
pub struct Visitors {
    app: AppName,
    key: Key,
    /// Their cookie's name.
    name: String,
    /// How many were drawn. Only those who are new while requests are split pay for a counter that
    /// threads share.
    drawn: AtomicU32,
}

impl Visitors {
    /// Those of `app`; `key` signs their cookies.
    pub fn of(app: &AppName, key: &Key) -> Self {
        Self {
            app: app.clone(),
            key: key.clone(),
            // No app's name has a dot, so this is no other app's sticky cookie.
            name: format!("shunt-{app}.visitor"),
            drawn: AtomicU32::new(fastrand::u32(..NUMBERS)),
        }
    }

    /// The number of a new visitor.
    pub(super) fn draw(&self) -> u16 {
        number(self.drawn.fetch_add(1, Relaxed))
    }

    /// The number in a visitor's cookie, if there is one of ours.
    pub(super) fn find(&self, headers: &HeaderMap) -> Option<u16> {
        cookies(headers, &self.name).into_iter().find_map(|shown| {
            let (digits, hash) = std::str::from_utf8(shown).ok()?.split_once('.')?;
            let number = digits.parse().ok()?;
            verify_slices_are_equal(self.sign(number).as_bytes(), hash.as_bytes()).ok()?;
            Some(number)
        })
    }

    /// `Set-Cookie` for the visitor with `number`, with attributes as `cookie` has them.
    pub(super) fn set(&self, number: u16, cookie: &Cookie, secure: bool) -> Option<HeaderValue> {
        let (name, hash) = (&self.name, self.sign(number));
        let text = format!("{name}={number}.{hash}{}", attributes(cookie));
        HeaderValue::try_from(if secure { text + "; Secure" } else { text }).ok()
    }

    fn sign(&self, number: u16) -> String {
        self.key.sign(&["visitor", self.app.as_str(), &number.to_string()])
    }
}

/// The number that is drawn as the `nth`. A round ends where the count does not, once in four
/// thousand million draws.
fn number(nth: u32) -> u16 {
    // Below ten thousand.
    u16::try_from(nth % NUMBERS * STRIDE % NUMBERS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::header::COOKIE;

    use super::*;

    fn visitors(app: &str, secret: u8) -> Visitors {
        Visitors::of(&app.parse().unwrap(), &Key::new(&[secret; 32]))
    }

    /// What a browser sends back after `set`.
    fn shown(set: &HeaderValue) -> HeaderMap {
        let pair = set.to_str().unwrap().split(';').next().unwrap();
        let both = format!("shunt-web=x; {pair}");
        HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(both).unwrap())])
    }

    #[test]
    fn every_number_comes_once_in_a_round() {
        let round: BTreeSet<u16> = (0..NUMBERS).map(number).collect();
        assert_eq!((round.len(), round.last()), (10_000, Some(&9_999)));
    }

    /// The worst of all stretches of visitors in a row is the range of how far the count runs ahead of
    /// the share, and behind it: this looks at every stretch within two rounds, from any beginning.
    #[test]
    fn any_visitors_in_a_row_hold_each_share_within_five_of_them() {
        for percent in 1..100_i32 {
            let (mut ahead, mut least, mut most) = (0, 0, 0);
            for nth in 0..2 * NUMBERS {
                let counts = i32::from(number(nth)) < percent * 100;
                ahead += i32::from(counts) * 100 - percent;
                (least, most) = (ahead.min(least), ahead.max(most));
            }
            assert!(most - least < 500, "{percent} %: {least} to {most} hundredths");
        }
    }

    #[test]
    fn threads_together_draw_what_one_alone_would() {
        for threads in [1, 2, 3, 7, 64] {
            let visitors = visitors("web", 7);
            let draw = || (0..1_000).map(|_| visitors.draw()).collect::<Vec<_>>();
            let drawn: Vec<u16> = std::thread::scope(|scope| {
                let all: Vec<_> = (0..threads).map(|_| scope.spawn(draw)).collect();
                all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            for percent in [1, 10, 50] {
                let got = drawn.iter().filter(|number| **number < percent * 100).count();
                let due = usize::from(percent) * drawn.len() / 100;
                assert!(got.abs_diff(due) < 5, "{threads} threads, {percent} %: {got} of {due}");
            }
        }
    }

    #[test]
    fn a_number_is_read_from_its_cookie_and_from_no_other() {
        let ours = visitors("web", 7);
        for number in [0, 1, 9_999] {
            let set = ours.set(number, &Cookie::default(), true).unwrap();
            assert_eq!(ours.find(&shown(&set)), Some(number));
            assert_eq!(visitors("web", 8).find(&shown(&set)), None, "another key");
            let text = set.to_str().unwrap();
            assert!(text.starts_with("shunt-web.visitor="), "{text}");
            assert!(text.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{text}");
        }
        let set = ours.set(5_000, &Cookie::default(), false).unwrap();
        let hash = set.to_str().unwrap().split(['.', ';']).nth(2).unwrap();
        for forged in [
            format!("shunt-web.visitor=1.{hash}"),
            format!("shunt-web.visitor=05000.{hash}x"),
            "shunt-web.visitor=5000.".to_owned(),
            "shunt-web.visitor=5000".to_owned(),
            format!("shunt-web.visitor=99999.{hash}"),
            format!("shunt-web=5000.{hash}"),
        ] {
            let cookie = HeaderValue::try_from(&forged).unwrap();
            assert_eq!(ours.find(&HeaderMap::from_iter([(COOKIE, cookie)])), None, "{forged}");
        }
    }
}
