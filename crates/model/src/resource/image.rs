//! What instances are made from.

/// An image: what an instance finds around itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// The image's id.
    pub id: &'static str,
    /// Its name, which `RunInstances` takes as well.
    pub name: &'static str,
    /// What the image holds, for people.
    pub description: &'static str,
}

/// Every image.
pub const IMAGES: &[Image] = &[Image {
    id: "ami-00000000000000001",
    name: "host",
    description: "The programs of the host, in a root file system that cannot be written to",
}];

impl Image {
    /// Finds an image by id or name.
    pub fn find(text: &str) -> Option<&'static Self> {
        IMAGES.iter().find(|image| image.id == text || image.name == text)
    }
}
