//! Uploads of code. Each slug has an upload address, which its creator is told.
//!
//! The code is written to disk as it arrives, verified and unpacked safely, and only then belongs
//! to the slug. If anything is wrong with it, nothing is left.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, RawPathParams, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::put;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use fabric::slug::{self, Limits, SlugError};
use http_body_util::BodyExt;
use model::{Caller, Code, Need, Refused, Slug, SlugId, StoredCode, SystemCommand, World};
use os::error_chain;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{BlobDigest, BlobError};
use subtle::ConstantTimeEq;
use tokio::time::{Instant, sleep_until};

use super::call::{Answer, Call, Content};
use super::failure::Failure;
use super::headers::RequestIds;
use super::respond::{note_stranger, respond};
use crate::apps::grant::Grant;
use crate::apps::slugs::{NoUpload, Slugs, Upload};
use crate::clock::SystemIds;
use crate::http::state::{Origin, State};
use crate::ledger::{LedgerError, OnlyIf};

/// What the token needs by which code is uploaded: code sees the config vars once it runs.
const NEED: Need = Need::WriteProtected;
/// The most bytes of a compressed slug, as on Heroku.
const MOST_BYTES: u64 = 500 << 20;
/// How long after its code was kept a slug may get its record.
const RECORD_WITHIN: Duration = Duration::from_secs(600);
/// How often it is checked whether an upload may go on.
const LOOK: Duration = Duration::from_secs(1);

/// The upload address of a slug; `None` for a token by which none is uploaded. Whoever may only look
/// at a slug is not to give it its code.
pub(super) fn address(call: &Call, slug: SlugId) -> Option<String> {
    if !call.allows(NEED) {
        return None;
    }
    let grant = Grant::of(call.caller, call.token.as_ref()).text();
    let signature = signature(&call.state, slug, &grant);
    let grant = BASE64.encode(grant);
    let base = call.base_of_code();
    Some(format!("{base}/_blobs/slugs/{slug}?grant={grant}&signature={signature}"))
}

/// The signature in an upload address, which is derived from the installation's key.
fn signature(state: &State, slug: SlugId, grant: &str) -> String {
    hex::encode(state.secret.derive("slug-blob", &format!("{slug} {grant}")))
}

/// The route of uploads.
pub(super) fn router(state: Arc<State>) -> Router {
    let upload = move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
        upload(Arc::clone(&state), params, request)
    };
    Router::new().route("/_blobs/slugs/{slug}", put(upload))
}

async fn upload(
    state: Arc<State>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let ids = RequestIds::new(&mut SystemIds, request.headers());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let address = peer.map(|info| info.0.ip());
    let origin = Origin { address, request_id: ids.own.clone() };
    let received = receive(Arc::clone(&state), params, request, origin.clone()).await;
    if let Err(failure) = &received {
        let action = "PUT /_blobs/slugs/{slug}".to_owned();
        note_stranger(&state, failure, None, action, &origin);
    }
    let outcome = received.map(|value| Answer {
        status: StatusCode::OK,
        content: Content::One(value),
        secret: None,
    });
    respond(outcome, None, &HeaderMap::new(), &ids, None)
}

async fn receive(
    state: Arc<State>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    origin: Origin,
) -> Result<Value, Failure> {
    let named = params.ok().and_then(|params| Some(params.iter().next()?.1.parse().ok()));
    let id: SlugId = named.flatten().ok_or_else(refused)?;
    let grant = granted(&state, id, request.uri().query().unwrap_or_default())?;
    let slug = find(&state, id)?;
    let world = state.world();
    let app = world.app(slug.app).filter(|app| grant.holds(&world, app, NEED, state.clock.now()));
    let parties = grant.parties(app.ok_or_else(refused)?);
    if let Some(elsewhere) = state.takes_code(&world) {
        return Err(Failure::unavailable(&format!(
            "Code is uploaded to {elsewhere}, which runs it. Ask for the slug's address anew, and upload to \
             that."
        )));
    }
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > MOST_BYTES) {
        return Err(too_large());
    }
    let upload = state.slugs.start_upload(id, parties).map_err(|why| match why {
        NoUpload::UnderWay => Failure::conflict("This slug's code is being uploaded already."),
        NoUpload::NoShare(why) => Failure::no_share(why, "uploads"),
    })?;
    let wanted = Wanted { state: Arc::clone(&state), slug: id, grant };
    let mut spool = Spool::start(&state.slugs.directory, id, upload)?;
    spool.fill(request.into_body(), &wanted).await?;
    spool.check(&slug)?;
    // What was received is stored even if the client does not wait for the answer.
    let task = tokio::spawn(take_in(wanted, spool, slug, origin));
    task.await.map_err(|_| Failure::internal())?
}

fn refused() -> Failure {
    Failure::stranger(
        "This is not an address that slugs are uploaded to. Make a slug with `POST \
         /apps/APP/slugs`, and use the address in its `blob`. Such an address ends with the token by which it \
         was asked for, and with your place in the app's team.",
    )
}

fn too_large() -> Failure {
    let limit = usize::try_from(MOST_BYTES).unwrap_or(usize::MAX);
    Failure::too_large(limit)
}

/// The grant of an upload address, if its signature is valid.
fn granted(state: &State, slug: SlugId, query: &str) -> Result<Grant, Failure> {
    let given = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next().unwrap_or_default()
    };
    let grant = BASE64.decode(given("grant")).ok().and_then(|text| String::from_utf8(text).ok());
    let grant = grant.ok_or_else(refused)?;
    let expected = signature(state, slug, &grant);
    let same: bool = given("signature").as_bytes().ct_eq(expected.as_bytes()).into();
    let grant = same.then(|| serde_json::from_str(&grant).ok()).flatten();
    grant.ok_or_else(refused)
}

/// A slug that waits for its code, and the grant of the sender.
#[derive(Clone)]
struct Wanted {
    state: Arc<State>,
    slug: SlugId,
    grant: Grant,
}

impl Wanted {
    /// Whether the slug still waits for code and the sender may still upload it.
    fn holds(&self, world: &World) -> bool {
        let slug = world.slug(self.slug).filter(|slug| slug.size.is_none());
        let app = slug.and_then(|slug| world.app(slug.app));
        app.is_some_and(|app| self.grant.holds(world, app, NEED, self.state.clock.now()))
    }
}

/// Finds a slug that waits for its code.
fn find(state: &State, id: SlugId) -> Result<Arc<Slug>, Failure> {
    let world = state.world();
    let slug = world.slug(id).ok_or_else(|| Failure::not_found("slug", "slug"))?;
    match slug.size {
        None => Ok(Arc::clone(slug)),
        Some(_) => Err(Failure::conflict("This slug's code was uploaded already.")),
    }
}

/// Unpacks what was received, and records it as the slug's code.
async fn take_in(
    wanted: Wanted,
    spool: Spool,
    slug: Arc<Slug>,
    origin: Origin,
) -> Result<Value, Failure> {
    let state = Arc::clone(&wanted.state);
    let (slugs, id, size) = (state.slugs.directory.clone(), slug.id, spool.size);
    let (digest, kept) = (spool.digest(), state.slugs.kept.clone());
    let unpack = move || {
        let unpacked = unpack(&slugs, &spool.archive(), id).and_then(|unpacked| {
            kept.keep(id, &digest, &spool.archive()).map_err(|error| not_kept(&error))?;
            Ok(unpacked)
        });
        (unpacked, spool)
    };
    let (unpacked, spool) =
        tokio::task::spawn_blocking(unpack).await.map_err(|_| Failure::internal())?;
    let since = Instant::now();
    let stored = match unpacked {
        Ok((process_types, unpacked)) => {
            if let Some(cache) = &state.slugs.cache {
                cache.came(id, unpacked);
            }
            let (room, blob) = (state.slugs.room, Some(digest.to_string()));
            let stored = StoredCode { size, unpacked, process_types, room, blob };
            let store = SystemCommand::StoreSlug { slug: id, stored };
            // The token may have expired while the code was unpacked, and a blob without a record goes some day.
            let only_if =
                OnlyIf::new(move |world| wanted.holds(world) && since.elapsed() < RECORD_WITHIN);
            match state.submit_if(Caller::System, store, &origin, Some(only_if)).await {
                // It is unknown whether the record is durable, so the code stays. If there is no
                // record, the next upload or the next start removes it.
                Err(error @ (LedgerError::Store | LedgerError::NoRoom | LedgerError::Unknown)) => {
                    return Err(error.into());
                }
                Err(LedgerError::Refused(Refused { code: Code::PreconditionFailed, .. })) => {
                    Err(refused())
                }
                stored => stored.map_err(Failure::from),
            }
        }
        Err(failure) => Err(failure),
    };
    let stored = match stored {
        Ok(stored) => stored,
        Err(failure) => {
            forget(&state, id).await;
            return Err(failure);
        }
    };
    drop(spool);
    if state.slugs.are_for_others() {
        let slugs = state.slugs.directory.clone();
        let removed = tokio::task::spawn_blocking(move || slug::remove(&slugs, id)).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::warn!(slug = %id, "an unpacked slug is still here, where nobody needs it");
        }
    }
    let slug = stored.after.slug(id).ok_or_else(Failure::internal)?;
    Ok(json!({ "id": id, "size": size, "process_types": slug.process_types }))
}

/// Removes what is here of a slug that was refused. What is in a shared place goes by itself.
async fn forget(state: &State, id: SlugId) {
    let (slugs, kept) = (state.slugs.directory.clone(), state.slugs.kept.clone());
    let removed = tokio::task::spawn_blocking(move || {
        let removed = slug::remove(&slugs, id).is_ok();
        kept.forget(id).is_ok() && removed
    });
    if !matches!(removed.await, Ok(true)) {
        tracing::warn!(slug = %id, "a refused slug is still there; the next start removes it");
    }
}

fn not_kept(error: &BlobError) -> Failure {
    let full = error.is_full();
    tracing::error!("an upload cannot be kept: {}", error_chain(error));
    match full {
        true => Failure::full(),
        false => Failure::unavailable(
            "The place where code is kept cannot be reached now. Send it again in a moment; the log of this server \
             says what is wrong.",
        ),
    }
}

/// Unpacks an archive. Returns its process types and its size on disk.
fn unpack(
    slugs: &Path,
    archive: &Path,
    id: SlugId,
) -> Result<(BTreeMap<String, String>, u64), Failure> {
    let failed = |error: SlugError| {
        if matches!(error, SlugError::NotAnArchive) {
            return Failure::invalid(
                "The slug was refused: this is not a tar archive, plain or compressed with \
                 gzip, or it is damaged or was cut off.",
            );
        }
        if error.is_of_the_archive() {
            return Failure::invalid(format!("The slug was refused: {}.", error_chain(&error)));
        }
        tracing::error!(slug = %id, "a slug cannot be unpacked: {}", error_chain(&error));
        Failure::full()
    };
    // A crash may have left other files of an earlier try.
    slug::remove(slugs, id).map_err(failed)?;
    let file = File::open(archive).map_err(|error| not_written(archive, &error))?;
    let unpacked = slug::unpack(file, &slug::path(slugs, id), Limits::default()).map_err(failed)?;
    let on_disk = unpacked.on_disk();
    let procfile = unpacked.procfile.unwrap_or_default();
    let process_types = model::parse_procfile(&procfile)
        .map_err(|error| Failure::invalid(format!("The slug was refused: {error}.")))?;
    Ok((process_types, on_disk))
}

fn silence(patience: Duration) -> Failure {
    Failure::slow(format!(
        "No data arrived for {} seconds, so the upload was cancelled.",
        patience.as_secs()
    ))
}

fn too_slow(time: Duration) -> Failure {
    Failure::slow(format!(
        "The upload took more than {} minutes, and was cancelled. Leave out what the app does not need \
         to run, or send it over a faster line.",
        time.as_secs().div_ceil(60)
    ))
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    tracing::error!(path = %path.display(), %error, "an upload cannot be kept");
    Failure::full()
}

/// The file that an upload is received into, removed when this is dropped.
struct Spool {
    dir: PathBuf,
    file: File,
    size: u64,
    hash: Sha256,
    _upload: Upload,
}

impl Spool {
    fn start(slugs: &Path, id: SlugId, upload: Upload) -> Result<Self, Failure> {
        // The dot distinguishes it from slugs, so that the next start removes it after a crash.
        let dir = slugs.join(format!(".{id}.upload"));
        let make = || {
            match fs::remove_dir_all(&dir) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                other => other?,
            }
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
            let path = dir.join(Self::ARCHIVE);
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
        };
        let file = make().map_err(|error| not_written(&dir, &error))?;
        Ok(Self { dir, file, size: 0, hash: Sha256::new(), _upload: upload })
    }

    const ARCHIVE: &str = "archive";

    fn archive(&self) -> PathBuf {
        self.dir.join(Self::ARCHIVE)
    }

    /// Writes a request's body to disk as it arrives. Each part is written before the next one is
    /// read.
    async fn fill(&mut self, mut body: Body, wanted: &Wanted) -> Result<(), Failure> {
        let Slugs { upload_time, upload_patience, .. } = wanted.state.slugs;
        let end = Instant::now() + upload_time;
        let mut silent = Instant::now() + upload_patience;
        let mut changed = wanted.state.logs.watch();
        loop {
            if !wanted.holds(&wanted.state.world()) {
                return Err(refused());
            }
            let frame = tokio::select! {
                frame = body.frame() => frame,
                // After a commit it is checked again whether the upload may go on.
                Ok(()) = changed.changed() => continue,
                // The upload also ends when its token expires.
                () = sleep_until((Instant::now() + LOOK).min(silent).min(end)) => {
                    let now = Instant::now();
                    match (now >= end, now >= silent) {
                        (true, _) => return Err(too_slow(upload_time)),
                        (false, true) => return Err(silence(upload_patience)),
                        (false, false) => continue,
                    }
                }
            };
            if Instant::now() >= end {
                return Err(too_slow(upload_time));
            }
            silent = Instant::now() + upload_patience;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| match crate::http::listen::is_late(&error) {
                true => Failure::late(),
                false => Failure::bad_request("The upload was cut short. Send it again."),
            })?;
            if let Ok(part) = frame.into_data() {
                self.write(&part)?;
            }
        }
        if self.size == 0 {
            return Err(Failure::bad_request("The upload is empty."));
        }
        Ok(())
    }

    fn write(&mut self, part: &Bytes) -> Result<(), Failure> {
        self.size += part.len() as u64;
        if self.size > MOST_BYTES {
            return Err(too_large());
        }
        self.hash.update(part);
        // Writing a small part to the page cache takes less time than handing it to another thread.
        self.file.write_all(part).map_err(|error| not_written(&self.dir, &error))
    }

    /// The digest of the received file.
    fn digest(&self) -> BlobDigest {
        BlobDigest::finish(self.hash.clone())
    }

    /// Compares the received file with the checksum that was announced.
    fn check(&self, slug: &Slug) -> Result<(), Failure> {
        let got = self.digest().to_string();
        match &slug.checksum {
            Some(announced) if *announced != got => Err(Failure::invalid(format!(
                "The slug's checksum was announced as SHA256:{announced}, but what came has \
                 SHA256:{got}. Send it again."
            ))),
            Some(_) | None => Ok(()),
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // If this fails, the next start removes it.
        let _ = fs::remove_dir_all(&self.dir);
    }
}
