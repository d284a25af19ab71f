//! Rules of code and configuration: slugs, releases, config vars.

use std::collections::{BTreeMap, BTreeSet};

use super::app::{check_command, check_environment};
use super::lookup::is_sha256;
use super::{Decision, Outcome, refuse};
use crate::command::{Reply, StoredCode};
use crate::names::process_label;
use crate::resource::{App, Dyno, DynoSize, Formation, Release, ReleaseStatus, Slug};
use crate::{AppId, Code, Key, Refused, ReleaseId, SlugId};

/// Releases of one app that are kept; of those before, what still runs is kept too.
const KEPT_RELEASES: usize = 100;
const MAX_PROCESS_TYPES: usize = 50;
const MAX_DESCRIPTION: usize = 255;

impl Decision<'_> {
    pub(super) fn create_slug(
        &mut self,
        app: AppId,
        process_types: &BTreeMap<String, String>,
        commit: Option<&str>,
        checksum: Option<&str>,
    ) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        check_process_types(process_types)?;
        let checksum = checksum.map(check_checksum).transpose()?;
        self.forget_unreleased(app.id);
        let id = SlugId::fresh(self.ids);
        self.put(Slug {
            id,
            app: app.id,
            process_types: process_types.clone(),
            commit: commit.map(one_line),
            checksum,
            size: None,
            unpacked: None,
            blob: None,
            released: false,
            created: self.now,
            updated: self.now,
        });
        Ok(Key::Slug(id).into())
    }

    /// A slug's code is there. What its maker said of process types comes before what the code
    /// itself says.
    pub(super) fn store_slug(&mut self, id: SlugId, stored: &StoredCode) -> Outcome {
        let unknown = || Refused::new(Code::NotFound, "Couldn't find that slug.");
        let slug = self.world.slug(id).cloned().ok_or_else(unknown)?;
        if slug.size.is_some() {
            return refuse(Code::Conflict, "The slug's code was uploaded already.");
        }
        self.make_code_room(&slug, stored.unpacked, stored.room)?;
        let mut process_types = stored.process_types.clone();
        process_types.extend(slug.process_types.clone());
        check_process_types(&process_types)?;
        let (size, unpacked) = (Some(stored.size), Some(stored.unpacked));
        let (slug, blob) = (Slug::clone(&slug), stored.blob.clone());
        self.put(Slug { process_types, size, unpacked, blob, updated: self.now, ..slug });
        Ok(Key::Slug(id).into())
    }

    /// Notes by which digest the code of a slug is kept that an older version took. One that has a digest
    /// keeps it, and one that is gone needs none.
    pub(super) fn keep_code(&mut self, id: SlugId, blob: &str) {
        let slug = self.world.slug(id).filter(|slug| slug.size.is_some() && slug.blob.is_none());
        if let Some(slug) = slug.cloned() {
            self.put(Slug { blob: Some(blob.to_owned()), ..Slug::clone(&slug) });
        }
    }

    pub(super) fn deploy(
        &mut self,
        app: AppId,
        slug: SlugId,
        description: Option<&str>,
    ) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        self.check_queue(&app)?;
        let found = self.world.slug(slug).filter(|slug| slug.app == app.id).cloned();
        let slug = found.ok_or_else(|| Refused::new(Code::NotFound, "Couldn't find that slug."))?;
        if slug.size.is_none() {
            return refuse(
                Code::InvalidParameterValue,
                "The slug has no code yet: upload it to the slug's blob address first.",
            );
        }
        let description = match description {
            Some(text) => text.to_owned(),
            None => {
                let commit = slug.commit.as_deref().unwrap_or("slug").chars().take(8);
                format!("Deploy {}", commit.collect::<String>())
            }
        };
        if !slug.released {
            self.put(Slug { released: true, ..Slug::clone(&slug) });
        }
        let mut app = App::clone(&app);
        for process_type in slug.process_types.keys() {
            // The first deployment of an app runs one web dyno and nothing else.
            let quantity = u16::from(process_type == App::WEB);
            let none = || Formation { quantity, size: DynoSize::S, updated: self.now };
            app.formation.entry(process_type.clone()).or_insert_with(none);
        }
        self.release(app, Some(slug.id), description)
    }

    pub(super) fn roll_back(&mut self, app: AppId, release: ReleaseId) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        self.check_queue(&app)?;
        let found = self.world.release(release).filter(|release| release.app == app.id).cloned();
        let old =
            found.ok_or_else(|| Refused::new(Code::NotFound, "Couldn't find that release."))?;
        if old.slug.is_none() {
            return refuse(
                Code::InvalidParameterValue,
                format!("The release v{} has no code to roll back to.", old.version),
            );
        }
        if old.status != ReleaseStatus::Succeeded {
            return refuse(
                Code::InvalidParameterValue,
                format!(
                    "The release v{} is {}: only one that succeeded can be rolled back to.",
                    old.version,
                    old.status.name()
                ),
            );
        }
        // What an add-on says follows the add-on, which a rollback neither makes nor removes.
        let attached = self.attached_variables(app.id);
        let mut config = old.config.clone();
        config.retain(|name, _| !attached.contains(name));
        let kept = app.config.iter().filter(|(name, _)| attached.contains(*name));
        config.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
        check_environment(&config)?;
        let app = App { config, ..App::clone(&app) };
        self.release(app, old.slug, format!("Rollback to v{}", old.version))
    }

    /// The config vars that an app's add-ons set.
    fn attached_variables(&self, app: AppId) -> BTreeSet<String> {
        let attachments =
            self.world.addons_of(Key::App(app)).flat_map(|addon| addon.attachments_to(app));
        attachments.flat_map(|(_, variables)| variables.iter().cloned()).collect()
    }

    pub(super) fn set_config(
        &mut self,
        app: AppId,
        changes: &BTreeMap<String, Option<String>>,
    ) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        let mut config = app.config.clone();
        let (mut set, mut removed) = (Vec::new(), Vec::new());
        for (name, value) in changes {
            match value {
                Some(value) if config.get(name) != Some(value) => {
                    config.insert(name.clone(), value.clone());
                    set.push(name.as_str());
                }
                None if config.remove(name).is_some() => removed.push(name.as_str()),
                Some(_) | None => {}
            }
        }
        if set.is_empty() && removed.is_empty() {
            return Ok(Key::App(app.id).into());
        }
        self.check_queue(&app)?;
        let attached = self.attached_variables(app.id);
        if let Some(name) = set.iter().chain(&removed).find(|name| attached.contains(**name)) {
            return refuse(
                Code::InvalidParameterValue,
                format!(
                    "Cannot overwrite attachment values {name}. An add-on sets it; detach or destroy \
                     the add-on first, or use another name."
                ),
            );
        }
        check_environment(&config)?;
        let part = |verb: &str, names: &[&str]| {
            (!names.is_empty()).then(|| format!("{verb} {} config vars", names.join(", ")))
        };
        let parts = [part("Set", &set), part("Remove", &removed)];
        let description = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
        self.release(App { config, ..App::clone(&app) }, None, description)
    }

    /// Makes a release of an app as it is from now on, with some code or with that of the release
    /// before it, and has its dynos follow: at once, or when its turn has come and its release
    /// command has ended well.
    pub(super) fn release(
        &mut self,
        app: App,
        slug: Option<SlugId>,
        description: String,
    ) -> Outcome {
        let last = self.world.releases_of(Key::App(app.id)).max_by_key(|release| release.version);
        let version = last.map_or(0, |release| release.version) + 1;
        let (inherits_code, slug) = (slug.is_none(), slug.or_else(|| self.latest_code(&app)));
        let at_once = self.pending_release(app.id).is_none() && self.release_line(slug).is_none();
        let id = ReleaseId::fresh(self.ids);
        self.put(Release {
            id,
            app: app.id,
            version,
            slug,
            inherits_code,
            config: app.config.clone(),
            description: one_line(&description),
            user: self.acting_user(),
            status: if at_once { ReleaseStatus::Succeeded } else { ReleaseStatus::Pending },
            command: None,
            created: self.now,
            settled: None,
        });
        let app_id = app.id;
        let release = if at_once { id } else { app.release };
        self.put(App { release, updated: self.now, ..app });
        self.forget_releases(app_id);
        match at_once {
            true => self.settle_formation(app_id)?,
            false => self.take_turns(app_id, None, &mut None)?,
        }
        Ok(Reply::Resources(vec![Key::Release(id), Key::App(app_id)]))
    }

    /// Forgets the oldest releases, but none that a dyno runs, that waits or that is current, and
    /// code that only they had.
    fn forget_releases(&mut self, app: AppId) {
        let running = self.world.dynos_in(Key::App(app)).filter(|dyno| !dyno.state.ended());
        let mut needed: BTreeSet<_> = running.map(|dyno| dyno.release).collect();
        needed.extend(self.world.app(app).map(|app| app.release));
        let mut all: Vec<_> = self.world.releases_of(Key::App(app)).cloned().collect();
        needed.extend(all.iter().filter(|r| r.status == ReleaseStatus::Pending).map(|r| r.id));
        all.sort_unstable_by_key(|release| std::cmp::Reverse(release.version));
        for release in all.iter().skip(KEPT_RELEASES).filter(|r| !needed.contains(&r.id)) {
            self.delete(Key::Release(release.id));
            if let Some(slug) = release.slug.map(Key::Slug)
                && self.world.releases_of(slug).next().is_none()
            {
                self.delete(slug);
            }
        }
    }
}

/// Cuts a description to one line of a bounded length.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(MAX_DESCRIPTION).map(plain).collect()
}

/// Process types have names that make parts of hosts' names, as dynos are found by them.
fn check_process_types(types: &BTreeMap<String, String>) -> Result<(), Refused> {
    if types.len() > MAX_PROCESS_TYPES {
        return refuse(
            Code::InvalidParameterValue,
            format!("There are more than {MAX_PROCESS_TYPES} process types."),
        );
    }
    let mut labels = BTreeMap::new();
    for (name, command) in types {
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        let well_formed = (1..=63).contains(&name.len())
            && name.bytes().all(plain)
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.ends_with(|c: char| c.is_ascii_alphanumeric());
        let label = process_label(name);
        if !well_formed || label == Dyno::ONE_OFF {
            return refuse(
                Code::InvalidParameterValue,
                format!(
                    "'{name}' cannot name a process type: that takes 1 to 63 letters, digits, \
                     hyphens and underscores, begins and ends with a letter or digit, and is not \
                     '{}'.",
                    Dyno::ONE_OFF
                ),
            );
        }
        if let Some(other) = labels.insert(label, name) {
            return refuse(
                Code::InvalidParameterValue,
                format!(
                    "The process types '{other}' and '{name}' would have the same name in DNS, \
                     which knows no case and no underscores; rename one of them."
                ),
            );
        }
        check_command(command)?;
    }
    Ok(())
}

/// SHA-256 in hexadecimal, with or without `SHA256:` before it.
fn check_checksum(text: &str) -> Result<String, Refused> {
    let digits = text.split_once(':').map_or(text, |(_, digits)| digits);
    let known = text.split_once(':').is_none_or(|(kind, _)| kind.eq_ignore_ascii_case("sha256"));
    if known && is_sha256(digits) {
        return Ok(digits.to_ascii_lowercase());
    }
    refuse(
        Code::InvalidParameterValue,
        format!("'{text}' is not a checksum: it must be SHA256: and 64 digits."),
    )
}
