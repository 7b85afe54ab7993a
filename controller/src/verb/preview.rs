//! `shuntctl preview`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use shunt_config::pass::MOST;
use shunt_config::{Active, AppName, Slot};

use crate::ack::join;
use crate::app_keys::AppKeys;
use crate::cli::time;
use crate::context::Context;
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::preview::{View, key};
use crate::time::{later, show};

/// Flags of `preview`.
#[derive(Debug, Args)]
pub struct Preview {
    /// The app [default: the deploy file's]
    app: Option<AppName>,
    /// The slot whose release is to be seen [default: the one that gets no requests]
    #[arg(long)]
    slot: Option<Slot>,
    /// How long the pass is good for, an hour at most
    #[arg(long = "for", value_parser = time, default_value = "1h", value_name = "TIME")]
    lasts: Duration,
    /// The file of the key that it is signed with [default: `SHUNT_PREVIEW_KEY`, or `key_file` in
    /// `[preview]` of the deploy file]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Preview {
    /// Shows where a release is to be seen that gets no requests, and prints a pass for it.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        if self.lasts > MOST || self.lasts.is_zero() {
            let said =
                format!("`--for {}`: a pass is good for {} at most", show(self.lasts), show(MOST));
            return Err(Failure::usage(said));
        }
        let app = context.app(self.app.clone())?;
        let file = if context.file_path().exists() { Some(context.file()?) } else { None };
        let of_file = file.as_ref().filter(|file| file.app == app);
        let of_file = of_file.and_then(|file| file.preview_key.as_deref());
        let key = key(context, self.key.as_deref(), of_file)?;
        let store = context.store_to_look()?;
        let keys = AppKeys::read(&*store, &app).await?;
        let settings = keys.app.as_ref().map(crate::app_keys::Kept::read).transpose();
        let settings = settings.map_err(|mistake| Failure::usage(mistake.to_string()))?;
        let unknown = || Failure::usage(format!("no app `{app}` in the store"));
        let settings = settings.ok_or_else(unknown)?;
        let slot = self.slot(&keys)?;
        let view = {
            let kept = keys.slot(slot);
            let kept = kept.ok_or_else(|| Failure::usage(format!("no release is in `{slot}`")))?;
            let of = (slot, &kept.token);
            View::of(&app, settings, of, key.as_ref(), self.lasts)
                .ok_or_else(|| unseen(&app, settings.preview.is_some()))?
        };
        let fleet = Fleet::read(&*store, Some(&app)).await?;
        self.show(context, &keys, slot, &view, &fleet);
        Ok(())
    }

    /// The slot that is asked for.
    fn slot(&self, keys: &AppKeys) -> Result<Slot, Failure> {
        let standby = || Some(keys.active().and_then(Active::only)?.other());
        self.slot.or_else(standby).ok_or_else(|| {
            let said = format!("no slot of `{}` alone gets the requests", keys.name);
            Failure::usage(said).hint("name the other one: `--slot green`")
        })
    }

    fn show(&self, context: &Context, keys: &AppKeys, slot: Slot, view: &View, fleet: &Fleet) {
        let report = &context.report;
        let kept = keys.slot(slot);
        let version = kept.and_then(|kept| kept.ok()?.version.clone());
        let token = kept.map(|kept| kept.token.clone());
        let blind: Vec<_> = fleet
            .live()
            .filter(|(_, proxy)| {
                let mut shown = proxy.statuses().flat_map(|status| &status.previews);
                !shown.any(|shown| Some(shown) == token.as_ref())
            })
            .map(|(name, _)| name)
            .collect();
        let until = view.pass.as_ref().map(|_| later(jiff::Timestamp::now(), self.lasts));
        // Whoever asks for a pass is shown it: it is what this verb is for.
        let pass = view.pass.as_ref();
        report.value(&json!({
            "app": keys.name, "slot": slot, "version": version, "token": token, "urls": view.urls,
            "header": pass.map(|pass| pass.header.reveal()),
            "cookie": pass.map(|pass| pass.cookie.reveal()),
            "until": until, "not_shown_by": blind,
        }));
        for url in &view.urls {
            report.line(url);
        }
        if let Some(pass) = pass {
            report.line(pass.header.reveal());
            report.line(&format!("Cookie: {}", pass.cookie.reveal()));
        }
        if !blind.is_empty() && !report.is_json() {
            let names = join(blind);
            report.note(&format!("not shown by {names}: not proved there, or not heard of yet"));
        }
    }
}

/// Why nobody can see it.
fn unseen(app: &AppName, previews: bool) -> Failure {
    match previews {
        true => Failure::usage(format!("`{app}` is seen by a pass alone, and no key is named"))
            .hint("`--key FILE` names it, or SHUNT_PREVIEW_KEY"),
        false => Failure::usage(format!("`{app}` has no previews")).hint(
            "`preview = { host = \"{slot}.{host}\" }` in [route] of the deploy file asks for them",
        ),
    }
}
