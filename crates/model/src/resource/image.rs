//! What instances are made from.

use super::Architecture;

/// An image: what an instance finds around itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The image's id: `ami-…`.
    pub id: String,
    /// Its name, which `RunInstances` takes as well.
    pub name: String,
    /// What the image holds, for people.
    pub description: String,
    /// The account that owns it; `None` is the platform's.
    pub owner: Option<&'static str>,
    /// The processors that it is made for.
    pub architecture: Architecture,
    /// When it was made, as EC2 writes it.
    pub created: String,
    /// The name of the device of its root volume.
    pub root_device: &'static str,
    /// The type of its root volume.
    pub volume_type: &'static str,
    /// The size of its root volume, in GiB.
    pub volume_size: u32,
    /// How it boots; empty where EC2 does not say it.
    pub boot_mode: &'static str,
    /// Whether its instances ask the metadata service with tokens alone.
    pub requires_tokens: bool,
}

impl Image {
    /// Whether text is a well-formed id of an image.
    pub fn is_id(text: &str) -> bool {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        text.strip_prefix("ami-")
            .is_some_and(|rest| matches!(rest.len(), 8 | 17) && rest.bytes().all(is_digit))
    }

    /// The id of the snapshot that its root volumes are made from.
    pub fn snapshot(&self) -> String {
        self.id.replacen("ami-", "snap-", 1)
    }
}
