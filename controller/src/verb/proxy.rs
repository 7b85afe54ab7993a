//! `shuntctl proxy`

use clap::Subcommand;
use serde_json::json;
use shunt_config::ProxyName;
use shunt_config::key::Key;
use shunt_config::status::Instance;
use shunt_config::store::{Condition, Outcome, Txn};

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::fleet::Fleet;
use crate::report::{Paint, table};
use crate::time::{age, show};

/// What the help of `forget` ends with.
const FORGET: &str = "\
Be sure that it does not serve any more: what it may still send requests to is stopped from then on.
One that is live is refused; one that starts again is known again.

Example:
  shuntctl proxy forget lb2";

/// What to do with proxies.
#[derive(Debug, Subcommand)]
pub enum Proxy {
    /// Lists the proxies known to the store
    #[command(
        after_help = "Examples:\n  shuntctl proxy list\n  shuntctl proxy list --json | jq -r .proxy"
    )]
    List,
    /// Forgets a proxy that will not come back: nothing waits for it any more
    #[command(after_help = FORGET)]
    Forget {
        /// The proxy
        name: ProxyName,
    },
}

impl Proxy {
    /// Lists or forgets.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List => list(context).await,
            Self::Forget { name } => forget(context, name).await,
        }
    }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let store = context.store_to_look()?;
    let fleet = Fleet::read(&*store, None).await?;
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for (name, proxy) in fleet.all() {
        let instances: Vec<_> =
            proxy.processes.values().filter_map(|p| p.instance.as_ref()).collect();
        let state = if proxy.is_live() { "live" } else { "lost" };
        let problem = proxy.namesakes(name);
        context.report.value(&json!({
            "proxy": name, "state": state, "known": proxy.known, "instances": instances,
            "problem": problem,
        }));
        problems.extend(problem);
        let row = |instance: Option<&Instance>| {
            let uptime = instance.map_or_else(String::new, |i| show(age(i.started)));
            let version = instance.map(|i| i.version.clone());
            let version = version.or_else(|| Some(proxy.fleet.as_ref()?.version.clone()));
            let admin = instance.and_then(|i| i.admin.clone()).unwrap_or_default();
            vec![name.to_string(), state.into(), version.unwrap_or_default(), uptime, admin]
        };
        match instances.as_slice() {
            [] => rows.push(row(None)),
            all => rows.extend(all.iter().map(|instance| row(Some(instance)))),
        }
    }
    let heading = ["PROXY", "STATE", "VERSION", "UP FOR", "ADMIN"];
    let none = || "no proxy is known to this store".to_owned();
    let text = if rows.is_empty() { none() } else { table(&heading, &rows) };
    context.report.line(&text);
    for problem in &problems {
        context.report.line(&format!("{}  {problem}", context.report.paint("!", Paint::Red)));
    }
    Ok(())
}

async fn forget(context: &Context, name: &ProxyName) -> Result<(), Failure> {
    let store = context.store()?;
    // Its key first: one that starts after this look puts it again, and is then not forgotten.
    let key = Key::Fleet(name.clone()).to_string();
    let seen = store.read(&key).await?.entries.remove(&key);
    let fleet = Fleet::read(&*store, None).await?;
    if fleet.live().any(|(live, _)| live == name) {
        let said = format!("`{name}` is live: it would go on serving while nothing waits for it");
        return Err(Failure::new(Exit::Usage, said).hint("stop it first; a clean stop forgets it"));
    }
    let Some(seen) = seen else {
        let hint = "`shuntctl proxy list` shows those that are";
        return Err(Failure::usage(format!("no proxy `{name}` is known")).hint(hint));
    };
    let txn = Txn::new().when(Condition::Is(key.clone(), seen.token)).delete(key);
    if store.commit(txn).await? == Outcome::Refused {
        let said = format!("`{name}` came back at the same moment");
        return Err(Failure::new(Exit::Superseded, said));
    }
    context.report.value(&json!({ "forgotten": name }));
    context.report.line(&format!("`{name}` is forgotten"));
    Ok(())
}
