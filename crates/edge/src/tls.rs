//! Certificates of listeners: read from files, and read anew when these change.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Config;

/// Reads the configured certificate, if there is one.
pub(crate) fn configured(config: &Config) -> io::Result<Option<Arc<Identity>>> {
    let Some((chain, key)) = &config.tls else { return Ok(None) };
    Ok(Some(Arc::new(Identity::read(chain, key)?)))
}

/// Reads a certificate chain and its key from PEM files, and checks that they belong together.
///
/// # Errors
///
/// A file that cannot be read or holds something else, or a key of another certificate; the error
/// names the file.
pub fn check_certificate(chain: &Path, key: &Path) -> io::Result<()> {
    read(chain, key).map(drop)
}

/// Checks that a PEM file holds certificates, as those of authorities.
///
/// # Errors
///
/// A file that cannot be read or holds none; the error names the file.
pub fn check_authorities(path: &Path) -> io::Result<()> {
    let bad = |why: &dyn std::fmt::Display| io::Error::other(format!("{}: {why}", path.display()));
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(&error))?;
    if found.is_empty() { Err(bad(&"it holds no certificate")) } else { Ok(()) }
}

/// A certificate chain and its key, in two PEM files that may be replaced at any time, as whoever renews
/// certificates does.
#[derive(Debug)]
pub struct Identity {
    chain: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    /// How the files looked when they were last read.
    seen: [Option<Stamp>; 2],
    config: Arc<ServerConfig>,
    leaf: CertificateDer<'static>,
}

/// What differs between a file and the one that replaces it or is written over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let stamp = |about: Metadata| Self {
            inode: about.ino(),
            length: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
        };
        std::fs::metadata(path).map(stamp).ok()
    }
}

impl Identity {
    /// Reads both files.
    ///
    /// # Errors
    ///
    /// Those of [`check_certificate`].
    pub fn read(chain: &Path, key: &Path) -> io::Result<Self> {
        // Before they are read: what is written meanwhile is read at the next look.
        let seen = [Stamp::of(chain), Stamp::of(key)];
        let (config, leaf) = read(chain, key)?;
        let current = Mutex::new(Current { seen, config: Arc::new(config), leaf });
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), current })
    }

    /// The TLS configuration of the next connection, of the files as they are now. While they do not
    /// belong together, or one is missing, it is that of the last ones that did.
    pub fn config(&self) -> Arc<ServerConfig> {
        let mut current = self.current.lock().expect("no holder panics");
        let seen = [Stamp::of(&self.chain), Stamp::of(&self.key)];
        if seen != current.seen {
            current.seen = seen;
            let chain = self.chain.display();
            match read(&self.chain, &self.key) {
                Ok((config, leaf)) => {
                    (current.config, current.leaf) = (Arc::new(config), leaf);
                    tracing::info!(%chain, "the certificate was replaced");
                }
                Err(error) => tracing::warn!(
                    %chain, %error,
                    "the new certificate cannot be used, so the one before it stays in use"
                ),
            }
        }
        Arc::clone(&current.config)
    }

    /// Accepts a connection with the certificate as it is now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config())
    }

    /// The file with the certificate.
    pub fn file(&self) -> &Path {
        &self.chain
    }

    /// The certificate itself, in DER, as it was last read.
    pub fn leaf(&self) -> CertificateDer<'static> {
        self.current.lock().expect("no holder panics").leaf.clone()
    }
}

fn read(chain: &Path, key: &Path) -> io::Result<(ServerConfig, CertificateDer<'static>)> {
    let bad = |path: &Path, why: &dyn std::fmt::Display| {
        io::Error::other(format!("{}: {why}", path.display()))
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(chain, &error))?;
    let leaf = certificates.first().ok_or_else(|| bad(chain, &"it holds no certificate"))?.clone();
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, &error))?;
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, secret))
        .map_err(|error| bad(chain, &error))?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((server, leaf))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        chain: PathBuf,
        key: PathBuf,
        dir: tempfile::TempDir,
    }

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["shop.example.com".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    impl Files {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let files =
                Self { chain: dir.path().join("c.pem"), key: dir.path().join("k.pem"), dir };
            files.renew();
            files
        }

        fn replace(&self, path: &Path, text: &str) {
            let new = self.dir.path().join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, path).unwrap();
        }

        fn renew(&self) {
            let (chain, key) = made();
            self.replace(&self.chain, &chain);
            self.replace(&self.key, &key);
        }

        fn identity(&self) -> Identity {
            Identity::read(&self.chain, &self.key).unwrap()
        }
    }

    #[test]
    fn files_that_are_replaced_are_read_anew() {
        let files = Files::new();
        let identity = files.identity();
        let (first, leaf) = (identity.config(), identity.leaf());
        assert!(Arc::ptr_eq(&first, &identity.config()), "nothing has changed");
        files.renew();
        assert!(!Arc::ptr_eq(&first, &identity.config()));
        assert_ne!(leaf, identity.leaf());
    }

    #[test]
    fn what_cannot_be_used_replaces_nothing() {
        let files = Files::new();
        let identity = files.identity();
        let (first, leaf) = (identity.config(), identity.leaf());
        let (chain, key) = made();
        files.replace(&files.chain, &chain);
        assert!(Arc::ptr_eq(&first, &identity.config()), "the key is another certificate's");
        std::fs::remove_file(&files.key).unwrap();
        assert!(Arc::ptr_eq(&first, &identity.config()), "there is no key");
        assert_eq!(leaf, identity.leaf());
        files.replace(&files.key, &key);
        assert!(!Arc::ptr_eq(&first, &identity.config()), "now both are there");
    }

    #[test]
    fn files_that_hold_something_else_are_named() {
        let files = Files::new();
        std::fs::write(&files.chain, "").unwrap();
        let error = check_certificate(&files.chain, &files.key).unwrap_err().to_string();
        assert!(error.contains("c.pem"), "{error}");
    }
}
