//! The instance types that there are. Sizes of one generation have the same figures in all of its
//! families.

use std::sync::LazyLock;

use super::{Architecture, Ebs, Family, InstanceType};

/// Every instance type, by name.
pub static INSTANCE_TYPES: LazyLock<Vec<InstanceType>> = LazyLock::new(all);

impl InstanceType {
    /// Finds an instance type by name.
    pub fn find(name: &str) -> Option<&'static Self> {
        let at = INSTANCE_TYPES.binary_search_by(|known| known.name.as_str().cmp(name)).ok()?;
        INSTANCE_TYPES.get(at)
    }

    /// How many interfaces an instance may have, and how many IPv4 addresses each of them. A type that
    /// is not known has what a middle-sized one has.
    pub(crate) fn limits(name: &str) -> (u8, u8) {
        Self::find(name).map_or((4, 15), |found| (found.interfaces, found.addresses))
    }
}

const INTEL: &str = "Intel";
const AMD: &str = "AMD";
const AWS: &str = "AWS";

const fn burstable(
    name: &'static str,
    manufacturer: &'static str,
    decigigahertz: u32,
    nitro: bool,
) -> Family {
    let arm = matches!(manufacturer.as_bytes(), b"AWS");
    Family {
        name,
        architecture: if arm { Architecture::Arm } else { Architecture::X86 },
        manufacturer,
        decigigahertz,
        threads: if arm || !nitro { 1 } else { 2 },
        burstable: true,
        unlimited: nitro,
        nitro,
        encrypts: arm,
        current: true,
    }
}

const fn fixed(
    name: &'static str,
    manufacturer: &'static str,
    decigigahertz: u32,
    encrypts: bool,
) -> Family {
    let arm = matches!(manufacturer.as_bytes(), b"AWS");
    Family {
        name,
        architecture: if arm { Architecture::Arm } else { Architecture::X86 },
        manufacturer,
        decigigahertz,
        threads: if arm { 1 } else { 2 },
        burstable: false,
        unlimited: false,
        nitro: true,
        encrypts,
        current: true,
    }
}

/// The burstable families, with the row of each size in [`SMALL`] that differs.
static T2: Family = burstable("t2", INTEL, 25, false);
static T3: Family = burstable("t3", INTEL, 25, true);
static T3A: Family = burstable("t3a", AMD, 22, true);
static T4G: Family = burstable("t4g", AWS, 25, true);

/// A size of the burstable families: processors, memory, interfaces and addresses.
type Small = (&'static str, u32, u32, u8, u8);

const SMALL: [Small; 7] = [
    ("nano", 2, 512, 2, 2),
    ("micro", 2, 1024, 2, 2),
    ("small", 2, 2048, 3, 4),
    ("medium", 2, 4096, 3, 6),
    ("large", 2, 8192, 3, 12),
    ("xlarge", 4, 16_384, 4, 15),
    ("2xlarge", 8, 32_768, 4, 15),
];

const SMALL_EBS: [(u32, u32, u32, u32); 7] = [
    (43, 250, 2085, 11_800),
    (87, 500, 2085, 11_800),
    (174, 1000, 2085, 11_800),
    (347, 2000, 2085, 11_800),
    (695, 4000, 2780, 15_700),
    (695, 4000, 2780, 15_700),
    (695, 4000, 2780, 15_700),
];

/// A generation of the families with fixed performance.
struct Generation {
    sizes: &'static [Size],
    /// The family's sizes in multiples of a `large` one's memory; what is not in a family is left out.
    families: &'static [(&'static Family, u32, &'static [&'static str])],
}

/// A size of a generation: its processors, interfaces, addresses, network and volumes.
type Size = (&'static str, u32, u8, u8, &'static str, [u32; 4]);

static M5: Family = fixed("m5", INTEL, 31, false);
static M5A: Family = fixed("m5a", AMD, 25, false);
static R5: Family = fixed("r5", INTEL, 31, false);
static C5: Family = fixed("c5", INTEL, 34, false);
static M6I: Family = fixed("m6i", INTEL, 35, true);
static C6I: Family = fixed("c6i", INTEL, 35, true);
static R6I: Family = fixed("r6i", INTEL, 35, true);
static M7I: Family = fixed("m7i", INTEL, 32, true);
static M6G: Family = fixed("m6g", AWS, 25, false);
static C6G: Family = fixed("c6g", AWS, 25, false);
static R6G: Family = fixed("r6g", AWS, 25, false);
static M7G: Family = fixed("m7g", AWS, 26, true);

const UP_TO_TEN: &str = "Up to 10 Gigabit";
const UP_TO_TWELVE: &str = "Up to 12.5 Gigabit";

const FIVE: Generation = Generation {
    sizes: &[
        ("large", 2, 3, 10, UP_TO_TEN, [650, 3600, 4750, 18_750]),
        ("xlarge", 4, 4, 15, UP_TO_TEN, [1150, 6000, 4750, 18_750]),
        ("2xlarge", 8, 4, 15, UP_TO_TEN, [2300, 12_000, 4750, 18_750]),
        ("4xlarge", 16, 8, 30, UP_TO_TEN, [4750, 18_750, 4750, 18_750]),
        ("8xlarge", 32, 8, 30, "10 Gigabit", [6800, 30_000, 6800, 30_000]),
        ("12xlarge", 48, 8, 30, "12 Gigabit", [9500, 40_000, 9500, 40_000]),
        ("16xlarge", 64, 15, 50, "20 Gigabit", [13_600, 60_000, 13_600, 60_000]),
        ("24xlarge", 96, 15, 50, "25 Gigabit", [19_000, 80_000, 19_000, 80_000]),
        ("metal", 96, 15, 50, "25 Gigabit", [19_000, 80_000, 19_000, 80_000]),
    ],
    families: &[(&M5, 4, &[]), (&M5A, 4, &["metal"]), (&R5, 8, &[])],
};

const FIVE_COMPUTE: Generation = Generation {
    sizes: &[
        ("large", 2, 3, 10, UP_TO_TEN, [650, 4000, 4750, 20_000]),
        ("xlarge", 4, 4, 15, UP_TO_TEN, [1150, 6000, 4750, 20_000]),
        ("2xlarge", 8, 4, 15, UP_TO_TEN, [2300, 10_000, 4750, 20_000]),
        ("4xlarge", 16, 8, 30, UP_TO_TEN, [4750, 20_000, 4750, 20_000]),
        ("9xlarge", 36, 8, 30, "12 Gigabit", [9500, 40_000, 9500, 40_000]),
        ("12xlarge", 48, 8, 30, "12 Gigabit", [9500, 40_000, 9500, 40_000]),
        ("18xlarge", 72, 15, 50, "25 Gigabit", [19_000, 80_000, 19_000, 80_000]),
        ("24xlarge", 96, 15, 50, "25 Gigabit", [19_000, 80_000, 19_000, 80_000]),
        ("metal", 96, 15, 50, "25 Gigabit", [19_000, 80_000, 19_000, 80_000]),
    ],
    families: &[(&C5, 2, &[])],
};

const SIX: Generation = Generation {
    sizes: &[
        ("large", 2, 3, 10, UP_TO_TWELVE, [650, 3600, 10_000, 40_000]),
        ("xlarge", 4, 4, 15, UP_TO_TWELVE, [1250, 6000, 10_000, 40_000]),
        ("2xlarge", 8, 4, 15, UP_TO_TWELVE, [2500, 12_000, 10_000, 40_000]),
        ("4xlarge", 16, 8, 30, UP_TO_TWELVE, [5000, 20_000, 10_000, 40_000]),
        ("8xlarge", 32, 8, 30, "12.5 Gigabit", [10_000, 40_000, 10_000, 40_000]),
        ("12xlarge", 48, 8, 30, "18.75 Gigabit", [15_000, 60_000, 15_000, 60_000]),
        ("16xlarge", 64, 15, 50, "25 Gigabit", [20_000, 80_000, 20_000, 80_000]),
        ("24xlarge", 96, 15, 50, "37.5 Gigabit", [30_000, 120_000, 30_000, 120_000]),
        ("32xlarge", 128, 15, 50, "50 Gigabit", [40_000, 160_000, 40_000, 160_000]),
        ("metal", 128, 15, 50, "50 Gigabit", [40_000, 160_000, 40_000, 160_000]),
    ],
    families: &[(&M6I, 4, &[]), (&C6I, 2, &[]), (&R6I, 8, &[]), (&M7I, 4, &["32xlarge", "metal"])],
};

const SIX_ARM: Generation = Generation {
    sizes: &[
        ("medium", 1, 2, 4, UP_TO_TEN, [315, 2500, 4750, 20_000]),
        ("large", 2, 3, 10, UP_TO_TEN, [630, 3600, 4750, 20_000]),
        ("xlarge", 4, 4, 15, UP_TO_TEN, [1188, 6000, 4750, 20_000]),
        ("2xlarge", 8, 4, 15, UP_TO_TEN, [2375, 12_000, 4750, 20_000]),
        ("4xlarge", 16, 8, 30, UP_TO_TEN, [4750, 20_000, 4750, 20_000]),
        ("8xlarge", 32, 8, 30, "12 Gigabit", [9500, 40_000, 9500, 40_000]),
        ("12xlarge", 48, 8, 30, "20 Gigabit", [14_250, 50_000, 14_250, 50_000]),
        ("16xlarge", 64, 15, 50, "25 Gigabit", [19_000, 80_000, 19_000, 80_000]),
        ("metal", 64, 15, 50, "25 Gigabit", [19_000, 80_000, 19_000, 80_000]),
    ],
    families: &[(&M6G, 4, &[]), (&C6G, 2, &[]), (&R6G, 8, &[]), (&M7G, 4, &[])],
};

/// All of them, in the order of their names.
fn all() -> Vec<InstanceType> {
    let mut all: Vec<InstanceType> = [&T2, &T3, &T3A, &T4G].into_iter().flat_map(small).collect();
    for generation in [&FIVE, &FIVE_COMPUTE, &SIX, &SIX_ARM] {
        all.extend(generation.types());
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn small(family: &'static Family) -> impl Iterator<Item = InstanceType> {
    SMALL.into_iter().zip(SMALL_EBS).map(
        move |((size, vcpus, memory, interfaces, addresses), ebs)| {
            let old = !family.nitro;
            let (baseline_bandwidth, baseline_iops, maximum_bandwidth, maximum_iops) = ebs;
            InstanceType {
                name: format!("{}.{size}", family.name),
                family,
                vcpus: match size {
                    "nano" | "micro" | "small" if old => 1,
                    _ => vcpus,
                },
                memory,
                interfaces: if old { interfaces.min(3) } else { interfaces },
                addresses,
                network: match size {
                    "xlarge" | "2xlarge" if old => "Moderate",
                    _ if old => "Low to Moderate",
                    _ => "Up to 5 Gigabit",
                },
                ebs: (!old).then_some(Ebs {
                    baseline_bandwidth,
                    baseline_iops,
                    maximum_bandwidth,
                    maximum_iops,
                }),
                bare_metal: false,
                free_tier: matches!((family.name, size), ("t2" | "t3", "micro")),
            }
        },
    )
}

impl Generation {
    fn types(&self) -> Vec<InstanceType> {
        let mut types = Vec::new();
        for (family, gib, without) in self.families {
            let sizes = self.sizes.iter().filter(|(size, ..)| !without.contains(size));
            types.extend(sizes.map(|(size, vcpus, interfaces, addresses, network, ebs)| {
                let [baseline_bandwidth, baseline_iops, maximum_bandwidth, maximum_iops] = *ebs;
                InstanceType {
                    name: format!("{}.{size}", family.name),
                    family,
                    vcpus: *vcpus,
                    memory: vcpus * gib * 1024,
                    interfaces: *interfaces,
                    addresses: *addresses,
                    network,
                    ebs: Some(Ebs {
                        baseline_bandwidth,
                        baseline_iops,
                        maximum_bandwidth,
                        maximum_iops,
                    }),
                    bare_metal: *size == "metal",
                    free_tier: false,
                }
            }));
        }
        types
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_name() {
        assert!(INSTANCE_TYPES.is_sorted_by(|a, b| a.name < b.name), "the search halves it");
        let micro = InstanceType::find("t3.micro").unwrap();
        assert_eq!((micro.vcpus, micro.memory, micro.cores(), micro.threads()), (2, 1024, 1, 2));
        assert_eq!(InstanceType::limits("m5.4xlarge"), (8, 30));
        assert_eq!(InstanceType::limits("x9.huge"), (4, 15));
        for name in
            ["t2.micro", "t4g.small", "m5.metal", "c5.9xlarge", "r6g.medium", "m6i.32xlarge"]
        {
            assert!(InstanceType::find(name).is_some(), "{name}");
        }
        for known in INSTANCE_TYPES.iter() {
            assert_eq!(known.cores() * known.threads(), known.vcpus, "{}", known.name);
        }
    }
}
