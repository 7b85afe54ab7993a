//! `shuntctl deploy`

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use shunt_config::deploy_file::NotifyEvent;
use shunt_config::record::History;
use shunt_config::store::Store;

use crate::app_keys::AppKeys;
use crate::cli::time;
use crate::context::Context;
use crate::deploy::{Host, Job, Plan, Run, foresee, what};
use crate::engine::{self, image::complete};
use crate::environment;
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::flip::someone_serves;
use crate::hosts;
use crate::interrupt::or_stopped;
use crate::keeping::{engines_of, release, sweep, take_in_order};
use crate::lock::{Held, holder};
use crate::notify::{Notifier, Subject};
use crate::preview::key;
use crate::program::missing;
use crate::report::table;
use crate::retire::Reaper;
use crate::sight::Sight;
use crate::summary::Summary;

/// What its help ends with.
pub(crate) const HELP: &str = "\
The image is the deploy file's, with `--tag`. Until the flip no request goes to the new release, and
a failure takes all back; after it the old one stays warm, and `shuntctl undo` is one write. Ctrl-C
undoes what can be undone.

Examples:
  shuntctl deploy --tag 1.1 --dry-run      # what there is, and what would be done
  shuntctl deploy --tag 1.1
  shuntctl deploy --tag 1.1 --env staging";

/// Flags of `deploy`.
#[derive(Debug, Args)]
pub struct Deploy {
    /// The tag of the deploy file's image; with units, what the release is called
    #[arg(long)]
    tag: Option<String>,
    /// The image, instead of the deploy file's
    #[arg(long, conflicts_with = "tag", value_name = "NAME[:TAG][@DIGEST]")]
    image: Option<String>,
    /// Shows what would be done, and does nothing
    #[arg(long)]
    dry_run: bool,
    /// How long to wait for another run to let go of the app's lock [default: not at all]
    #[arg(long, value_parser = time, value_name = "TIME")]
    lock_wait: Option<Duration>,
    /// Waits until nobody stays on the old release, where visitors do (`sessions`)
    #[arg(long)]
    wait_sessions: bool,
    /// What the release is called, where its image does not say it.
    #[arg(skip)]
    version: Option<String>,
    /// What the engines themselves call the image, where it has to be that one.
    #[arg(skip)]
    image_id: Option<String>,
}

impl Deploy {
    /// A deploy of what was deployed `before`: its very image, or units that know it by its name.
    pub(super) fn again(before: History) -> Self {
        let History { version, image, image_id, .. } = before;
        let tag = version.clone().filter(|_| image.is_none());
        let (dry_run, lock_wait, wait_sessions) = (false, None, false);
        Self { tag, image, dry_run, lock_wait, wait_sessions, version, image_id }
    }

    /// Deploys.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let mut job = Job::new(context.file()?, self.image.clone(), self.tag.as_deref())?;
        job.wait_sessions = self.wait_sessions;
        job.image_id.clone_from(&self.image_id);
        if self.version.is_some() {
            job.version.clone_from(&self.version);
        }
        let checks = std::mem::take(&mut job.file.checks).into_iter();
        job.file.checks = checks.map(|check| check.beside(context.directory())).collect();
        if self.dry_run {
            return show(context, &*context.store_to_look()?, &job).await;
        }
        let run = Box::pin(or_stopped(context, lead_in(context, &mut job, self.lock_wait))).await?;
        let subject = Subject {
            app: job.file.app.clone(),
            version: job.version.clone(),
            env: context.env().map(ToString::to_string),
            began: jiff::Timestamp::now(),
        };
        let report = &context.report;
        let mut notifier = Notifier::new(report, &job.file.notify, context.directory(), subject);
        notifier.tell(NotifyEvent::Started, None);
        for doubt in doubts(&job) {
            report.note(&doubt);
        }
        let done = Box::pin(run.deploy(&job)).await;
        notifier.tell_end(&done);
        notifier.end().await;
        done
    }
}

/// All that comes before the deploy itself, which looks out for signals from its begin to its end.
async fn lead_in<'a>(
    context: &'a Context,
    job: &mut Job,
    wait: Option<Duration>,
) -> Result<Run<'a>, Failure> {
    let wanted = &job.file.run.settings.environment;
    let gathered = environment::resolve(wanted, context.directory(), &context.report).await?;
    (job.environment, job.secrets) = (gathered.all, gathered.secret);
    job.pass_key = key(context, None, job.file.preview_key.as_deref())?;
    let store = context.store()?;
    let fleet = Fleet::read(&*store, Some(&job.file.app)).await?;
    someone_serves(&fleet)?;
    let keys = AppKeys::read(&*store, &job.file.app).await?;
    hosts::free(&*store, &keys, &fleet, job.file.route.as_ref()).await?;
    let (report, wait) = (&context.report, wait.unwrap_or_default());
    let (held, keys, _) = take_in_order(report, &store, &job.file.app, "deploy", wait).await?;
    match Box::pin(begin(context, &store, &held, keys, job)).await {
        Ok(run) => Ok(run),
        Err(failure) => release(held, failure).await,
    }
}

/// What comes before the first step.
async fn begin<'a>(
    context: &'a Context,
    store: &Arc<dyn Store>,
    held: &Held,
    keys: AppKeys,
    job: &Job,
) -> Result<Run<'a>, Failure> {
    let report = &context.report;
    let mut sight = Sight::open(store, &keys.name).await?;
    let reaper = Reaper { store, held, limits: job.file.limits, wait: false, report };
    sweep(&reaper, &mut sight, &engines_of(context, &keys)?, report).await?;
    let keys = AppKeys::read(&**store, &keys.name).await?;
    let plan = Plan::new(&keys, &sight.fleet, job)?;
    let hosts = engine::hosts(&job.file.run, plan.slot)?;
    let record = plan.record(job, &hosts);
    let hosts = Host::open(hosts).await?;
    Ok(Run::new(report, store, held, &keys, record).await?.on(hosts))
}

async fn show(context: &Context, store: &dyn Store, job: &Job) -> Result<(), Failure> {
    let app = &job.file.app;
    let keys = AppKeys::read(store, app).await?;
    let fleet = Fleet::read(store, Some(app)).await?;
    let plan = Plan::new(&keys, &fleet, job)?;
    if keys.is_gone() {
        context.report.value(&json!({ "present": null }));
        context.report.line(&format!("`{app}` is new: there is nothing of it yet"));
    } else {
        let present = Summary::new(&keys, &fleet);
        context.report.value(&json!({ "present": present }));
        context.report.line(&present.text(&context.report));
        for slot in &present.slots {
            context.report.line(&format!("  `{}` was announced as {}", slot.slot, slot.token));
        }
    }
    context.report.line("");
    let mut rows = Vec::new();
    for (i, step) in plan.steps.iter().enumerate() {
        let what = what(*step, job, plan.slot, plan.previous.as_ref());
        context.report.value(&json!({ "step": step, "what": what }));
        rows.push(vec![format!("{}", i + 1), step.to_string(), what]);
    }
    context.report.line(&table(&["", "STEP", "WHAT"], &rows));
    let remark = |text: &str| {
        context.report.value(&json!({ "remark": text }));
        context.report.line(text);
    };
    if plan.app.is_some() {
        remark("the app's settings change with the flip");
    }
    if keys.record().is_some_and(shunt_config::record::Deploy::unfinished) {
        remark("before that, the deploy that is half done is finished or undone");
    }
    if keys.lock.is_some() {
        remark(&format!("{}: as long as it does, this ends with code 4", holder(&keys)));
    }
    for doubt in doubts(job) {
        remark(&doubt);
    }
    let wanted = &job.file.run.settings.environment;
    let (_, mistakes) = environment::at_hand(wanted, context.directory());
    let mut found = Vec::new();
    if !mistakes.is_empty() {
        let said = "not all variables of the containers are to be had";
        found.push(Failure::mistakes(said, &mistakes));
    }
    found.extend(key(context, None, job.file.preview_key.as_deref()).err());
    found.extend(foresee(store, &keys, &fleet, &plan, job).await);
    would_fail(context, found)
}

/// What is no mistake and will not do what it seems to.
fn doubts(job: &Job) -> Vec<String> {
    let mut doubts = job.file.doubts();
    doubts.extend(missing(&job.file));
    if let Some(image) = job.image.as_deref().filter(|image| complete(image) != **image) {
        doubts.push(format!("no tag is named: this is {}; `--tag 1.1` names one", complete(image)));
    }
    doubts
}

/// All that would stop a deploy; the code is the one that the first of it would end with.
fn would_fail(context: &Context, found: Vec<Failure>) -> Result<(), Failure> {
    for failure in &found {
        let (said, code) = (&failure.said, failure.exit.code());
        let value = json!({ "would_fail": said, "exit": code, "details": failure.details });
        context.report.value(&value);
    }
    let mut found = found.into_iter();
    let Some(first) = found.next() else { return Ok(()) };
    let said = format!("it would fail: {}", first.said);
    let more = found.flat_map(|failure| {
        std::iter::once(format!("it would fail: {}", failure.said))
            .chain(failure.details.into_iter().map(|line| format!("  {line}")))
            .chain(failure.hint.map(|hint| format!("  hint: {hint}")))
    });
    let more: Vec<_> = more.collect();
    Err(Failure { said, ..first }.details(more))
}
