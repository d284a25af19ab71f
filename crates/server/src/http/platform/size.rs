//! Dyno sizes and the stack.

use std::sync::Arc;

use model::{App, DynoSize};
use serde_json::{Value, json};

use super::app::stack;
use super::call::{Call, Outcome, list, ok};
use super::failure::Failure;
use super::identity::{cedar, derived_id, time};

pub(super) fn list_sizes(_: &Call, (): &()) -> Outcome {
    list(DynoSize::ALL.map(view))
}

pub(super) fn sizes_of_app(_: &Call, _: &Arc<App>) -> Outcome {
    list(DynoSize::ALL.map(view))
}

pub(super) fn size(call: &Call, (): &()) -> Outcome {
    let named = call.param("size");
    let same = |view: &Value| {
        view["id"] == named
            || view["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(named))
    };
    let found = DynoSize::ALL.map(view).into_iter().find(same);
    ok(found
        .ok_or_else(|| Failure::not_found("dyno-size", "dyno size").naming(named, "ps:type"))?)
}

/// Shows a size with Heroku's fields. Sizes are free, and `compute` is the processor weight
/// relative to the smallest size.
fn view(size: DynoSize) -> Value {
    let gibibytes = size.memory() as f64 / f64::from(1 << 30);
    json!({
        "id": derived_id("dyno-size", size.name()),
        "name": size.name(),
        "memory": gibibytes,
        "compute": size.cpu_weight() / DynoSize::S.cpu_weight(),
        "cost": Value::Null,
        "dedicated": false,
        "dyno_units": 0,
        "precise_dyno_units": 0.0,
        "private_space_only": true,
        "architecture": std::env::consts::ARCH,
        "generation": cedar(),
    })
}

pub(super) fn list_stacks(call: &Call, (): &()) -> Outcome {
    list([the_stack(call)])
}

pub(super) fn one_stack(call: &Call, (): &()) -> Outcome {
    let (named, stack) = (call.param("stack"), the_stack(call));
    if stack["name"] == named || stack["id"] == named {
        return ok(stack);
    }
    Err(super::absent::other_stack())
}

fn the_stack(call: &Call) -> Value {
    let since = time(call.state.settings().created);
    let mut view = stack();
    view["state"] = "public".into();
    view["default"] = true.into();
    view["created_at"] = since.as_str().into();
    view["updated_at"] = since.into();
    view
}
