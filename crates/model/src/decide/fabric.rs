//! Which of several servers drives networks and workloads: one at a time, as two would each take for drift
//! what the other one does.

use super::{Decision, Outcome, refuse};
use crate::resource::{FabricDriver, Settings};
use crate::{Code, Key, SettingsKey};

impl Decision<'_> {
    pub(super) fn drive_fabric(&mut self, driver: &FabricDriver, take_over: bool) -> Outcome {
        let settings = Settings::clone(&*self.settings()?);
        if let Some(other) = settings.fabric.as_ref().filter(|other| other.id != driver.id)
            && !take_over
        {
            return refuse(
                Code::Conflict,
                format!(
                    "The server {} drives the networks and workloads of this installation already.",
                    other.name
                ),
            );
        }
        if settings.fabric.as_ref() != Some(driver) {
            self.put(Settings { fabric: Some(driver.clone()), ..settings });
        }
        Ok(Key::Settings(SettingsKey).into())
    }

    pub(super) fn leave_fabric(&mut self, id: &str) -> Outcome {
        let settings = Settings::clone(&*self.settings()?);
        if settings.fabric.as_ref().is_some_and(|driver| driver.id == id) {
            self.put(Settings { fabric: None, ..settings });
        }
        Ok(Key::Settings(SettingsKey).into())
    }
}
