//! `Accept` and its weights (RFC 9110 12.5.1).

use super::Format;

/// How well a range fits a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// `*/*`
    Any,
    /// `text/*`
    Type,
    /// `text/html`
    Exact,
}

/// The format that `lines` of `Accept` like best.
///
/// For each format the range that fits best gives its weight. Of formats with the same weight the
/// one named most exactly is taken, then the one named first, then the first of [`Format::ALL`].
/// Where none is accepted, text is better than nothing (RFC 9110 12.4.1 allows it); what cannot be
/// read is passed over.
pub fn choose<'a>(lines: &(impl Iterator<Item = &'a [u8]> + Clone)) -> Format {
    let weigh = |format: Format| {
        let mut best: Option<(Fit, u16, usize)> = None;
        for (place, range) in lines.clone().flat_map(|line| line.split(|b| *b == b',')).enumerate()
        {
            let Some((fit, weight)) = fit(range, format) else { continue };
            if best.is_none_or(|(known, ..)| fit > known) {
                best = Some((fit, weight, place));
            }
        }
        best.filter(|(_, weight, _)| *weight > 0)
    };
    let weighed = Format::ALL.into_iter().filter_map(|format| Some((format, weigh(format)?)));
    // The later is taken only if it is better.
    let best = weighed.reduce(|a, b| if key(b.1) > key(a.1) { b } else { a });
    best.map_or(Format::Text, |(format, _)| format)
}

fn key((fit, weight, place): (Fit, u16, usize)) -> (u16, Fit, std::cmp::Reverse<usize>) {
    (weight, fit, std::cmp::Reverse(place))
}

/// How well `range` fits `format`, and its weight in thousandths.
fn fit(range: &[u8], format: Format) -> Option<(Fit, u16)> {
    let mut parts = range.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let range = parts.next()?.to_ascii_lowercase();
    let (kind, exact) = match format {
        Format::Text => (&b"text/*"[..], &b"text/plain"[..]),
        Format::Html => (&b"text/*"[..], &b"text/html"[..]),
        Format::Json => (&b"application/*"[..], &b"application/json"[..]),
    };
    let fit = match &range[..] {
        range if range == exact => Fit::Exact,
        range if range == kind => Fit::Type,
        b"*/*" => Fit::Any,
        _ => return None,
    };
    let mut weights = parts.filter_map(|p| p.strip_prefix(b"q=").or_else(|| p.strip_prefix(b"Q=")));
    match weights.next() {
        Some(text) => weight(text).map(|weight| (fit, weight)),
        None => Some((fit, 1000)),
    }
}

/// A weight in thousandths: `0`, `1`, or with up to three digits after a point (RFC 9110 12.4.2).
fn weight(text: &[u8]) -> Option<u16> {
    let (whole, digits) = match text {
        [whole, b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        [whole] => (whole, &[][..]),
        _ => return None,
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let thousandths = digits.iter().zip([100, 10, 1]).map(|(d, n)| u16::from(d - b'0') * n).sum();
    match (whole, thousandths) {
        (b'0', thousandths) => Some(thousandths),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Format {
        choose(&std::iter::once(accept.as_bytes()))
    }

    #[test]
    fn clients_get_what_they_ask_for() {
        for (accept, expected, who) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Format::Html,
                "browser",
            ),
            ("application/json, text/plain, */*", Format::Json, "axios"),
            ("*/*", Format::Text, "curl"),
            ("", Format::Text, "nothing"),
            ("application/json", Format::Json, "API client"),
            ("text/event-stream", Format::Text, "EventSource"),
            ("text/*", Format::Text, "any text"),
            ("application/*", Format::Json, "any application"),
            ("Text/HTML;Q=1.0", Format::Html, "case does not matter"),
        ] {
            assert_eq!(chosen(accept), expected, "{who}: {accept}");
        }
        assert_eq!(choose(&std::iter::empty()), Format::Text);
        let two = [&b"text/html;q=0.5"[..], b"application/json"];
        assert_eq!(choose(&two.into_iter()), Format::Json, "several lines are one list");
    }

    #[test]
    fn weights_and_exactness_decide() {
        for (accept, expected) in [
            ("text/html;q=0.5, application/json;q=0.6", Format::Json),
            ("application/json;q=0.001, text/html;q=0.002", Format::Html),
            ("text/html;q=0, */*", Format::Text),
            ("text/plain;q=0, text/html;q=0, */*;q=0.1", Format::Json),
            ("text/*;q=0.9, text/plain;q=0.1, application/json;q=0.5", Format::Html),
            ("text/html;level=1;q=0.3, application/json;q=0.4", Format::Json),
            ("text/html;q=2, application/json;q=0.1", Format::Json),
            ("text/html;q=x", Format::Text),
            ("text/html;q=0.1234", Format::Text),
            ("*/*;q=0", Format::Text),
        ] {
            assert_eq!(chosen(accept), expected, "{accept}");
        }
    }

    #[test]
    fn any_bytes_choose_a_format() {
        let mut rng = fastrand::Rng::with_seed(9110);
        let likely = b"text/html,*;q=0.1application/json ";
        for _ in 0..20_000 {
            let mut bytes = vec![0; rng.usize(0..50)];
            bytes.fill_with(|| match rng.u8(0..10) {
                0 => rng.u8(..),
                _ => likely[rng.usize(0..likely.len())],
            });
            let chosen = choose(&std::iter::once(&bytes[..]));
            let named = bytes.windows(4).any(|w| w.eq_ignore_ascii_case(b"html"));
            assert!(chosen != Format::Html || named || bytes.contains(&b'*'), "{bytes:?}");
        }
    }
}
