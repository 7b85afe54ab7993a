//! `[deploy]`: how, and how long what may take.

use std::time::Duration;

use super::strategy::Strategy;
use crate::document::Section;
use crate::hold;
use crate::record::{HISTORY_KEPT, Limits};

pub(super) fn read(mut section: Section<'_>) -> (Strategy, Limits) {
    let strategy = section.or("strategy", Strategy::default());
    let limits = limits(&mut section);
    if limits.hold > hold::MAX_LASTS {
        let most = crate::duration::show(hold::MAX_LASTS);
        section.mistake("hold_timeout", &format!("requests wait for {most} at most"));
    }
    (strategy, limits)
}

/// A number of releases that are gone. Older ones than the history knows are nobody's any more.
fn kept(section: &mut Section<'_>, key: &str) -> Option<u16> {
    let kept: Option<u16> = section.optional(key);
    let most = HISTORY_KEPT / 2;
    if kept.is_some_and(|kept| usize::from(kept) > most) {
        section.mistake(key, &format!("{most} releases at most are known of for long enough"));
    }
    kept
}

fn limits(section: &mut Section<'_>) -> Limits {
    let defaults = Limits::default();
    let bake = section.optional_duration("bake");
    let mut read = |key: &str, default: Duration| section.duration(key, default);
    Limits {
        bake,
        health: read("health_deadline", defaults.health),
        flip: read("flip_deadline", defaults.flip),
        drain: read("drain_timeout", defaults.drain),
        warm: read("warm", defaults.warm),
        lost: read("lost_after", defaults.lost),
        stop: read("stop_timeout", defaults.stop),
        hold: read("hold_timeout", defaults.hold),
        keep: kept(section, "keep").unwrap_or_default(),
        keep_images: kept(section, "keep_images"),
    }
}
