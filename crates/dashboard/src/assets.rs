//! The files that pages need, each under a name that changes with what is in it, so that browsers
//! may keep it for ever.

use sha2::{Digest, Sha256};

use crate::paths;

/// The style sheet.
pub(crate) static STYLE: Asset = Asset::new(
    "style",
    "css",
    "text/css; charset=utf-8",
    concat!(include_str!("../assets/causeway.css"), include_str!("../assets/map.css")).as_bytes(),
);
/// The script. Pages work without it, but for what says otherwise.
pub(crate) static SCRIPT: Asset = Asset::new(
    "script",
    "js",
    "text/javascript; charset=utf-8",
    include_bytes!("../assets/causeway.js"),
);
/// The script of an app's log.
pub(crate) static LOG_SCRIPT: Asset =
    Asset::new("log", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/log.js"));
/// The sign of a tab.
pub(crate) static ICON: Asset =
    Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../assets/icon.svg"));

static ALL: [&Asset; 4] = [&STYLE, &SCRIPT, &LOG_SCRIPT, &ICON];

/// A file that pages need.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    ending: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
    path: LazyPath,
}

type LazyPath = std::sync::OnceLock<String>;

impl Asset {
    const fn new(
        name: &'static str,
        ending: &'static str,
        media_type: &'static str,
        bytes: &'static [u8],
    ) -> Self {
        Self { name, ending, media_type, bytes, path: LazyPath::new() }
    }

    /// Its address: the name, the beginning of its hash, and the ending.
    pub fn path(&self) -> &str {
        self.path.get_or_init(|| {
            let hash = hex::encode(&Sha256::digest(self.bytes)[..8]);
            format!("{}/{}-{hash}.{}", paths::ASSETS, self.name, self.ending)
        })
    }

    /// Finds a file by its address.
    pub fn find(path: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|asset| asset.path() == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_own_name_alone() {
        for asset in ALL {
            let path = asset.path();
            assert!(std::ptr::eq(Asset::find(path).unwrap(), asset));
            assert!(Asset::find(&path.replace('-', "_")).is_none(), "{path}");
            assert!(!asset.bytes.is_empty());
        }
        assert!(Asset::find("/dashboard/assets/style.css").is_none());
    }

    #[test]
    fn they_need_nobody_elses_and_no_style_attribute() {
        for asset in ALL {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            let foreign = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!foreign.contains("http:") && !foreign.contains("https:"), "{}", asset.name);
            for eval in ["eval(", "new Function", "innerHTML =", "@import", "url("] {
                assert!(!text.contains(eval), "{}: {eval}", asset.name);
            }
        }
    }
}
