//! The images of the distributions that are looked for most: by owner, name and date.

use super::{Architecture, Image};

/// A line of images: what all of its versions have in common. In its texts `{v}` stands for the
/// version, and `{a}` for the processors, as the distribution calls them.
struct Line {
    owner: &'static str,
    name: &'static str,
    description: &'static str,
    /// What the distribution calls the processors that there are images for.
    architectures: &'static [(Architecture, &'static str)],
    /// The versions with the days on which they were made, oldest first.
    versions: [(&'static str, &'static str); 3],
    root_device: &'static str,
    volume_type: &'static str,
    boot_mode: &'static str,
    requires_tokens: bool,
}

const AMAZON: &str = "137112412989";
const CANONICAL: &str = "099720109477";
const DEBIAN: &str = "136693071363";

const GNU: &[(Architecture, &str)] = &[(Architecture::X86, "x86_64"), (Architecture::Arm, "arm64")];
const DEB: &[(Architecture, &str)] = &[(Architecture::X86, "amd64"), (Architecture::Arm, "arm64")];

const AMAZON_2023: [(&str, &str); 3] = [
    ("2023.6.20250115.0", "2025-01-15"),
    ("2023.7.20250609.0", "2025-06-09"),
    ("2023.9.20251117.1", "2025-11-17"),
];
const AMAZON_2: [(&str, &str); 3] = [
    ("2.0.20250116.0", "2025-01-16"),
    ("2.0.20250610.0", "2025-06-10"),
    ("2.0.20251110.1", "2025-11-10"),
];
const UBUNTU: [(&str, &str); 3] =
    [("20250115", "2025-01-15"), ("20250610", "2025-06-10"), ("20251015", "2025-10-15")];
const DEBIAN_11: [(&str, &str); 3] = [
    ("20250115-1994", "2025-01-15"),
    ("20250606-2135", "2025-06-06"),
    ("20251001-2250", "2025-10-01"),
];
const DEBIAN_12: [(&str, &str); 3] = [
    ("20250115-1993", "2025-01-15"),
    ("20250606-2134", "2025-06-06"),
    ("20251112-2294", "2025-11-12"),
];

const fn amazon(
    name: &'static str,
    description: &'static str,
    versions: [(&'static str, &'static str); 3],
    volume_type: &'static str,
) -> Line {
    let newer = matches!(volume_type.as_bytes(), b"gp3");
    Line {
        owner: AMAZON,
        name,
        description,
        architectures: GNU,
        versions,
        root_device: "/dev/xvda",
        volume_type,
        boot_mode: if newer { "uefi-preferred" } else { "" },
        requires_tokens: newer,
    }
}

const fn ubuntu(name: &'static str, description: &'static str, volume_type: &'static str) -> Line {
    Line {
        owner: CANONICAL,
        name,
        description,
        architectures: DEB,
        versions: UBUNTU,
        root_device: "/dev/sda1",
        volume_type,
        boot_mode: "uefi-preferred",
        requires_tokens: false,
    }
}

const fn debian(
    name: &'static str,
    description: &'static str,
    versions: [(&'static str, &'static str); 3],
) -> Line {
    Line {
        owner: DEBIAN,
        name,
        description,
        architectures: DEB,
        versions,
        root_device: "/dev/xvda",
        volume_type: "gp3",
        boot_mode: "uefi-preferred",
        requires_tokens: false,
    }
}

/// The lines. The place of one is a part of its images' ids, so a new one comes last.
const LINES: [Line; 12] = [
    amazon(
        "al2023-ami-{v}-kernel-6.1-{a}",
        "Amazon Linux 2023 AMI {v} {a} HVM kernel-6.1",
        AMAZON_2023,
        "gp3",
    ),
    amazon(
        "al2023-ami-minimal-{v}-kernel-6.1-{a}",
        "Amazon Linux 2023 AMI {v} {a} Minimal HVM kernel-6.1",
        AMAZON_2023,
        "gp3",
    ),
    amazon(
        "amzn2-ami-kernel-5.10-hvm-{v}-{a}-gp2",
        "Amazon Linux 2 Kernel 5.10 AMI {v} {a} HVM gp2",
        AMAZON_2,
        "gp2",
    ),
    amazon("amzn2-ami-hvm-{v}-{a}-gp2", "Amazon Linux 2 AMI {v} {a} HVM gp2", AMAZON_2, "gp2"),
    ubuntu(
        "ubuntu/images/hvm-ssd/ubuntu-focal-20.04-{a}-server-{v}",
        "Canonical, Ubuntu, 20.04 LTS, {a} focal image build on {v}",
        "gp2",
    ),
    ubuntu(
        "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-{a}-server-{v}",
        "Canonical, Ubuntu, 22.04 LTS, {a} jammy image build on {v}",
        "gp2",
    ),
    ubuntu(
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{a}-server-{v}",
        "Canonical, Ubuntu, 24.04, {a} noble image",
        "gp3",
    ),
    debian("debian-11-{a}-{v}", "Debian 11 ({v})", DEBIAN_11),
    debian("debian-12-{a}-{v}", "Debian 12 ({v})", DEBIAN_12),
    amazon(
        "amzn2-ami-minimal-hvm-{v}-{a}-ebs",
        "Amazon Linux 2 AMI {v} {a} Minimal HVM ebs",
        AMAZON_2,
        "gp2",
    ),
    ubuntu(
        "ubuntu/images/hvm-ssd-gp3/ubuntu-jammy-22.04-{a}-server-{v}",
        "Canonical, Ubuntu, 22.04, {a} jammy image",
        "gp3",
    ),
    ubuntu(
        "ubuntu-minimal/images/hvm-ssd/ubuntu-jammy-22.04-{a}-minimal-{v}",
        "Canonical, Ubuntu Minimal, 22.04 LTS, {a} jammy image build on {v}",
        "gp2",
    ),
];

/// All images of all lines.
pub(super) fn public_images() -> impl Iterator<Item = Image> {
    LINES.iter().enumerate().flat_map(|(place, line)| {
        line.versions.iter().flat_map(move |version| {
            line.architectures
                .iter()
                .map(move |processors| line.image(place, *version, *processors))
        })
    })
}

impl Line {
    fn image(
        &self,
        place: usize,
        (version, day): (&str, &str),
        (architecture, called): (Architecture, &str),
    ) -> Image {
        let text = |of: &str| of.replace("{v}", version).replace("{a}", called);
        let letter = if architecture == Architecture::Arm { 'a' } else { '8' };
        let digits: String = day.chars().filter(char::is_ascii_digit).collect();
        Image {
            id: format!("ami-0c{place:02x}{letter}{digits}0001"),
            name: text(self.name),
            description: text(self.description),
            owner: Some(self.owner),
            architecture,
            created: format!("{day}T07:00:00.000Z"),
            root_device: self.root_device,
            volume_type: self.volume_type,
            volume_size: 8,
            boot_mode: match architecture {
                Architecture::Arm => "uefi",
                Architecture::X86 => self.boot_mode,
            },
            requires_tokens: self.requires_tokens,
        }
    }
}
