//! Waiting until the live proxies have let go of a release.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use shunt_config::record::Draining;
use shunt_config::{ProxyName, Token};

use super::Reaper;
use super::doubt::{doubt, late};
use super::stay::MOMENT;
use crate::ack::join;
use crate::app_keys::AppKeys;
use crate::drained::leases;
use crate::expected::Expected;
use crate::fleet::Fleet;
use crate::report::Tell;
use crate::sight::{Look, Sight, Waited};
use crate::time::age;

impl Reaper<'_> {
    /// Waits until every live proxy serves what the keys ask for and has no request on `token`: the
    /// requests that are left when their time is over, or why it must not be stopped at all.
    pub(super) async fn let_go(
        &self,
        sight: &mut Sight,
        keys: &AppKeys,
        token: &Token,
        draining: &Draining,
        tell: &mut Tell<'_>,
    ) -> Result<BTreeMap<ProxyName, Option<u64>>, String> {
        let over = self.limits.drain.saturating_sub(age(draining.left_since()));
        let just = draining.ended.is_some_and(|ended| age(ended) < MOMENT);
        let moment = if just { MOMENT } else { Duration::ZERO };
        let limit = if self.wait { over.max(moment) } else { moment };
        // A status that names this very `active` was written after the proxy had applied it; an
        // older one says nothing of what was sent where meanwhile.
        let expected = Expected::of(keys);
        let late = |fleet: &Fleet| late(fleet, expected.as_ref()?);
        if let Some(why) = doubt(keys, &sight.fleet) {
            return Err(why);
        }
        let waited: Result<Waited<()>, Infallible> = sight
            .wait(limit, tell, |keys, fleet| {
                let holding = fleet.reaching(keys, token);
                if let Some((name, _)) = fleet.stays(token).next() {
                    return Ok(Look::Wait(
                        format!("{name} visitors"),
                        format!("{name} lets visitors stay"),
                    ));
                }
                Ok(match (late(fleet), holding.is_empty()) {
                    (Some((name, why)), _) => Look::Wait(format!("{name} late"), why),
                    (None, true) => Look::Done(()),
                    (None, false) => Look::Wait(join(holding.keys()), leases(&holding)),
                })
            })
            .await;
        match waited {
            Ok(Waited::Done(())) => Ok(BTreeMap::new()),
            Ok(Waited::TimedOut(waits)) => match (sight.out_of_touch(), late(&sight.fleet)) {
                (None, None) if sight.fleet.stays(token).next().is_none() => {
                    Ok(sight.fleet.reaching(&sight.keys, token))
                }
                _ => Err(waits),
            },
            Err(never) => match never {},
        }
    }

    /// Waits until no live proxy has a preview on `token`: those that are left when their time is over.
    pub(super) async fn previews_let_go(
        &self,
        sight: &mut Sight,
        token: &Token,
        tell: &mut Tell<'_>,
    ) -> BTreeMap<ProxyName, Option<u64>> {
        let limit = if self.wait { self.limits.drain } else { Duration::ZERO };
        let waited: Result<Waited<()>, Infallible> = sight
            .wait(limit, tell, |_, fleet| {
                let previewing = fleet.previewing(token);
                Ok(match previewing.is_empty() {
                    true => Look::Done(()),
                    false => Look::Wait(join(previewing.keys()), leases(&previewing)),
                })
            })
            .await;
        match waited {
            Ok(Waited::Done(())) => BTreeMap::new(),
            Ok(Waited::TimedOut(_)) => sight.fleet.previewing(token),
            Err(never) => match never {},
        }
    }

    /// Why requests that are left forbid to stop the release.
    pub(super) fn too_early(
        &self,
        draining: &Draining,
        left: &BTreeMap<ProxyName, Option<u64>>,
        ours: bool,
    ) -> Option<String> {
        let serving: Vec<&ProxyName> =
            left.iter().filter(|(_, n)| n.is_none()).map(|(name, _)| name).collect();
        if !serving.is_empty() {
            return Some(format!("{} has not let go of it", join(serving)));
        }
        // What someone else runs is not ours to stop, so its requests are not ours to cut.
        let over = age(draining.left_since()) >= self.limits.drain;
        let stays = !left.is_empty() && (!over || !ours);
        stays.then(|| format!("{} not over", leases(left)))
    }
}
