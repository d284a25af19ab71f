//! The images that there are.
//!
//! Every instance finds the programs of the host around itself, whatever it was made from: the image
//! of Causeway is `host`. The other images are those that clients look for by their owners and
//! names, so that the look-up finds one, and what it finds can be run.

use std::sync::LazyLock;

use super::public_image::public_images;
use super::{Architecture, Image};

/// Every image: the host's own comes first.
pub static IMAGES: LazyLock<Vec<Image>> = LazyLock::new(|| {
    let mut images = vec![host(HOST)];
    images.extend(public_images());
    images
});

/// The id of the host's own image.
const HOST: &str = "ami-00000000000000001";

fn host(id: &str) -> Image {
    Image {
        id: id.to_owned(),
        name: if id == HOST { "host".to_owned() } else { id.to_owned() },
        description: "The programs of the host, in a root file system that cannot be written to"
            .to_owned(),
        owner: None,
        architecture: Architecture::X86,
        created: "2026-01-01T00:00:00.000Z".to_owned(),
        root_device: "/dev/xvda",
        volume_type: "gp3",
        volume_size: 8,
        boot_mode: "",
        requires_tokens: false,
    }
}

impl Image {
    /// Finds an image by id or name.
    pub fn find(text: &str) -> Option<&'static Self> {
        IMAGES.iter().find(|image| image.id == text || image.name == text)
    }

    /// The image that an emulator takes for an id which it does not know: tests name images of
    /// their own accounts, and what matters to them is the network. `None` for text that is no id.
    pub fn emulated(id: &str) -> Option<Self> {
        Self::is_id(id).then(|| host(id))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_and_names_are_unique_and_well_formed() {
        let ids: BTreeSet<_> = IMAGES.iter().map(|image| &image.id).collect();
        let names: BTreeSet<_> = IMAGES.iter().map(|image| &image.name).collect();
        assert_eq!((ids.len(), names.len()), (IMAGES.len(), IMAGES.len()));
        for image in IMAGES.iter() {
            assert!(Image::is_id(&image.id), "{}", image.id);
            assert_eq!(Image::find(&image.name), Some(image));
        }
        assert_eq!(IMAGES[0].name, "host");
    }

    #[test]
    fn an_emulator_takes_well_formed_ids_alone() {
        assert_eq!(Image::emulated("ami-12c6146b").unwrap().snapshot(), "snap-12c6146b");
        for text in ["ami-1", "ami-0123456789ABCDEF0", "i-00000000000000001", "host", "ami-"] {
            assert_eq!(Image::emulated(text), None, "{text}");
        }
    }
}
