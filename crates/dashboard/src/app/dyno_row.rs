//! The dynos of an app as rows.

use model::{Dyno, DynoState, Exit, WorkloadId};

use crate::context::Context;
use crate::markup::{Markup, Sign, copy_button, fill, in_english, mono, text};
use crate::moment;
use crate::texts::Texts;

/// A row of the table of dynos.
pub(super) struct DynoRow {
    pub(super) name: String,
    pub(super) state: Markup,
    /// What people need to know beside the state.
    pub(super) note: Option<Markup>,
    pub(super) since: Markup,
    pub(super) command: String,
    pub(super) address: Markup,
    pub(super) size: &'static str,
    /// Whether it has a place in the formation: then it can be restarted, else stopped.
    pub(super) is_placed: bool,
    /// Whether it is another's predecessor, which leaves by itself.
    pub(super) leaves: bool,
}

/// The rows of an app's dynos, by process type and number.
pub(super) fn rows(of: &Context<'_>, app: &model::App) -> Vec<DynoRow> {
    let mut dynos: Vec<_> = of.world.shown_dynos(app.id).collect();
    dynos.sort_by(|a, b| {
        let place = |dyno: &Dyno| (dyno.number.is_none(), dyno.process_type.clone(), dyno.number);
        (place(a), &a.name, a.created, a.id).cmp(&(place(b), &b.name, b.created, b.id))
    });
    dynos.into_iter().map(|dyno| row(of, app, dyno)).collect()
}

fn row(of: &Context<'_>, app: &model::App, dyno: &Dyno) -> DynoRow {
    let t = of.texts();
    let address = of.world.eni_of(WorkloadId::Dyno(dyno.id)).and_then(|eni| eni.addresses.first());
    DynoRow {
        name: dyno.name.clone(),
        state: sign(dyno.state).with(dyno.state.name()),
        note: note(of, app, dyno),
        since: moment::ago(t, dyno.updated, of.now),
        command: dyno.command.clone(),
        address: match address {
            Some(address) => {
                let copy = copy_button(t, t.apps.column_address, &address.to_string());
                fill("{address} {copy}", &[("address", mono(address)), ("copy", copy)])
            }
            None => t.none.into(),
        },
        size: dyno.size.name(),
        is_placed: dyno.number.is_some(),
        leaves: dyno.superseded,
    }
}

const fn sign(state: DynoState) -> Sign {
    match state {
        DynoState::Up => Sign::Ok,
        DynoState::Starting | DynoState::Booting | DynoState::Draining | DynoState::Stopping => {
            Sign::Move
        }
        DynoState::Down => Sign::None,
        DynoState::Crashed => Sign::Bad,
    }
}

fn note(of: &Context<'_>, app: &model::App, dyno: &Dyno) -> Option<Markup> {
    let t = of.texts();
    if dyno.superseded {
        return Some(t.apps.leaves.into());
    }
    if dyno.state == DynoState::Crashed {
        let ended = dyno.exit.as_ref().map(|exit| ended(t, exit));
        let again = dyno.tried_again().map(|at| {
            let left = moment::long(t, at.since(of.now)).into();
            fill(t.apps.tried_again, &[("left", left)])
        });
        return match (ended, again) {
            (Some(one), Some(other)) => {
                Some(fill("{one}, {other}", &[("one", one), ("other", other)]))
            }
            (one, other) => one.or(other),
        };
    }
    if dyno.release == app.release {
        return None;
    }
    let release = of.world.release(dyno.release)?;
    let version = text(format_args!("v{}", release.version));
    Some(fill(t.apps.runs_release, &[("version", version)]))
}

fn ended(t: &Texts, exit: &Exit) -> Markup {
    match exit {
        Exit::Code(code) => fill(t.apps.exit_status, &[("n", text(code))]),
        Exit::Signal(signal) => fill(t.apps.exit_signal, &[("n", text(signal))]),
        Exit::OutOfMemory => t.apps.exit_memory.into(),
        Exit::Failed(why) => in_english(t, why),
    }
}
