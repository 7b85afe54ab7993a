//! `shuntctl mend`

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use shunt_config::deploy_file::{DeployFile, NotifyEvent, Pull};
use shunt_config::store::Store;
use shunt_config::{Address, AppName};

use crate::app_keys::AppKeys;
use crate::context::Context;
use crate::engine::{self, EngineError, Publish, Spec, label};
use crate::environment;
use crate::exit::{Exit, Failure};
use crate::fence::{Fence, NotDone};
use crate::history;
use crate::keeping::{limits, release};
use crate::lock::{self, Held};
use crate::notify::{Notifier, Subject};
use crate::report::Ended;
use crate::vanished::{Engines, Look, Missing, look, serving, target};
use crate::workers;

/// Flags of `mend`.
#[derive(Debug, Args)]
pub struct Mend {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// Shows what is gone, tells those that `[notify]` names, and starts nothing
    #[arg(long)]
    dry_run: bool,
    /// Tells nobody: they know
    #[arg(long, hide = true)]
    told: bool,
}

impl Mend {
    /// Starts what is gone of the release that serves, on the same ports, so that its targets stay
    /// what they are.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let report = &context.report;
        let app = context.app(self.app.clone())?;
        if self.dry_run {
            let store = context.store_to_look()?;
            let keys = AppKeys::read(&*store, &app).await?;
            return self.look(context, &keys, &mut Engines::default()).await.and_then(answered);
        }
        let store = context.store()?;
        let held = lock::take(&*store, &app, "mend", Duration::ZERO, report).await?;
        match self.mend(context, &*store, &held, &app).await {
            Ok(()) => Ok(held.release().await?),
            Err(failure) => release(held, failure).await,
        }
    }

    async fn mend(
        &self,
        context: &Context,
        store: &dyn Store,
        held: &Held,
        app: &AppName,
    ) -> Result<(), Failure> {
        let report = &context.report;
        let keys = AppKeys::read(store, app).await?;
        if keys.record().is_some_and(shunt_config::record::Deploy::unfinished) {
            let said = format!("a deploy of `{app}` is half done");
            return Err(Failure::usage(said).hint(format!("first: `shuntctl resume {app}`")));
        }
        let mut engines = Engines::default();
        let found = self.look(context, &keys, &mut engines).await?;
        if found.missing.is_empty() {
            return answered(found);
        }
        report.begin("start", &format!("{} container(s)", found.missing.len()));
        let mut started = Vec::new();
        for one in &found.missing {
            let fence = Fence::of(held, store, app);
            if start(context, &fence, &mut engines, one).await?.is_some() {
                started.push(one.name.as_str());
            } else {
                report.note(&format!("{} is not started: its release does not serve", one.name));
            }
        }
        report.end(Ended::Done, &started.join(", "));
        report.event("mended", json!({ "app": app, "containers": started }));
        answered(found)
    }

    /// What is gone, and who is told of it.
    async fn look(
        &self,
        context: &Context,
        keys: &AppKeys,
        engines: &mut Engines,
    ) -> Result<Look, Failure> {
        let (report, app) = (&context.report, &keys.name);
        report.begin("look", &format!("for the containers of what serves `{app}`"));
        let found = look(keys, engines).await;
        let Look { missing, silent } = &found;
        report.event("vanished", json!({ "app": app, "containers": missing, "silent": silent }));
        for why in silent {
            report.note(&format!("not looked: {why}"));
        }
        if missing.is_empty() {
            report.end(Ended::Done, "none is gone");
            return Ok(found);
        }
        let names: Vec<_> = missing.iter().map(|one| one.name.as_str()).collect();
        let said = format!("gone: {}", names.join(", "));
        report.end(Ended::Done, &said);
        if !self.told {
            tell(context, app, keys, &said).await;
        }
        Ok(found)
    }
}

/// An engine that does not answer is the failure of a run that did all else it could.
fn answered(found: Look) -> Result<(), Failure> {
    found.silent.into_iter().next().map_or(Ok(()), |why| Err(Failure::new(Exit::Unreachable, why)))
}

/// Starts one: itself, if it is still there, otherwise another one in its place. `None` where its release
/// does not serve any more: who undoes or flips takes no lock.
async fn start(
    context: &Context,
    fence: &Fence<'_>,
    engines: &mut Engines,
    one: &Missing,
) -> Result<Option<()>, Failure> {
    let serves = |keys: &AppKeys| serving(keys).iter().any(|serving| serving.token == one.token);
    let keys = fence.keys().await?;
    if !serves(&keys) {
        return Ok(None);
    }
    let engine = engines.get(&one.engine).await?;
    if let Some(container) = &one.container {
        return Ok(fence.act_if(serves, engine.wake(container)).await?);
    }
    let (file, mut spec) = spec(context, &keys, one).await?;
    // It ran here, so the image is known; where someone has removed that, too, it is pulled. What only
    // this engine knows by that name is no registry's to give.
    let id = history::image_id(&keys, &one.deploy);
    let never = file.run.pull == Pull::Never || id.is_some();
    let pull = if never { Pull::Never } else { Pull::Missing };
    spec.image = id.unwrap_or(spec.image);
    spec.image = engine.pull(&spec.image, pull, &mut |_, _| {}).await?.reference;
    match fence.act_if(serves, engine.start(&spec)).await {
        Err(NotDone::Engine(EngineError::PortTaken(port))) => {
            let said = format!("port {port} on {} is taken by something else", engine.name());
            Err(Failure::new(Exit::Unhealthy, said)
                .hint("the release's targets name that port: deploy again for another one"))
        }
        started => Ok(started?.map(drop)),
    }
}

/// How it is made, by the deploy file as it is now and the image as it was.
async fn spec(
    context: &Context,
    keys: &AppKeys,
    one: &Missing,
) -> Result<(DeployFile, Spec), Failure> {
    let (app, name) = (&keys.name, &one.name);
    let file = context.file()?;
    if file.app != *app {
        let shown = context.file_path().display();
        return Err(Failure::usage(format!("{shown} is of `{}`, not of `{app}`", file.app)));
    }
    let found = serving(keys).into_iter().find(|serving| serving.token == one.token);
    let released = found.map(|serving| serving.release).unwrap_or_default();
    let Some(image) = released.image.clone() else {
        return Err(Failure::usage(format!("{name} is gone, and its release names no image")));
    };
    let wanted = &file.run.settings.environment;
    let gathered = environment::resolve(wanted, context.directory(), &context.report).await?;
    let (store, slot, deploy) = (&keys.store, one.slot, &one.deploy);
    let mut spec = Spec {
        name: name.clone(),
        image,
        labels: engine::Labels::new(),
        publish: None,
        settings: file.run.settings.clone(),
        environment: gathered.all,
        grace: limits(context, keys).stop,
    };
    if let Some(worker) = &one.worker {
        let Some(worker) = file.workers.iter().find(|known| known.name == *worker) else {
            let said = format!("{name} is gone, and the deploy file knows no worker `{worker}`");
            return Err(Failure::usage(said).hint("deploy again"));
        };
        spec.labels = label::of_worker(app, store, slot, deploy, worker, one.replica);
        spec.environment = workers::environment(&spec.environment, worker);
        spec.settings = workers::settings(worker);
        return Ok((file, spec));
    }
    let (bind, published) = match target(&released, one.replica).map(|target| &target.address) {
        Some(Address::Tcp { host, port }) => (host.parse::<IpAddr>().ok(), *port),
        _ => (None, 0),
    };
    let Some(bind) = bind else {
        let said = format!("{name} is gone, and it is not known where it was published");
        return Err(Failure::usage(said).hint("deploy again"));
    };
    spec.labels = label::of_replica(app, store, slot, deploy, one.replica, published);
    spec.publish = Some(Publish { port: file.run.port, bind, published });
    Ok((file, spec))
}

async fn tell(context: &Context, app: &AppName, keys: &AppKeys, said: &str) {
    let Ok(file) = context.file() else { return };
    if file.app != *app {
        return;
    }
    let subject = Subject {
        app: app.clone(),
        version: serving(keys).into_iter().find_map(|serving| serving.release.version),
        env: context.env().map(ToString::to_string),
        began: Timestamp::now(),
    };
    let mut notifier = Notifier::new(&context.report, &file.notify, context.directory(), subject);
    notifier.tell(NotifyEvent::Vanished, Some(said));
    notifier.end().await;
}
