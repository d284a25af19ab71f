//! Instance types, and where they are offered: everywhere.

use aws::paging::{Paging, page};
use aws::xml::Xml;
use model::{Ebs, INSTANCE_TYPES, InstanceType, World};

use super::catalog::{chosen, filtered};
use super::describe::{Values, many, one};
use super::request::{Ec2Error, Request};

/// The names of all filters of `DescribeInstanceTypes`.
const FILTERS: [&str; 52] = [
    "auto-recovery-supported",
    "bare-metal",
    "burstable-performance-supported",
    "current-generation",
    "dedicated-hosts-supported",
    "ebs-info.attachment-limit-type",
    "ebs-info.maximum-ebs-attachments",
    "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps",
    "ebs-info.ebs-optimized-info.baseline-iops",
    "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps",
    "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps",
    "ebs-info.ebs-optimized-info.maximum-iops",
    "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps",
    "ebs-info.ebs-optimized-support",
    "ebs-info.encryption-support",
    "ebs-info.nvme-support",
    "free-tier-eligible",
    "hibernation-supported",
    "hypervisor",
    "instance-storage-info.disk.count",
    "instance-storage-info.disk.size-in-gb",
    "instance-storage-info.disk.type",
    "instance-storage-info.encryption-support",
    "instance-storage-info.nvme-support",
    "instance-storage-info.total-size-in-gb",
    "instance-storage-supported",
    "instance-type",
    "memory-info.size-in-mib",
    "network-info.bandwidth-weightings",
    "network-info.efa-info.maximum-efa-interfaces",
    "network-info.efa-supported",
    "network-info.ena-support",
    "network-info.encryption-in-transit-supported",
    "network-info.flexible-ena-queues-support",
    "network-info.ipv4-addresses-per-interface",
    "network-info.ipv6-addresses-per-interface",
    "network-info.ipv6-supported",
    "network-info.maximum-network-cards",
    "network-info.maximum-network-interfaces",
    "network-info.network-performance",
    "nitro-enclaves-support",
    "nitro-tpm-support",
    "nitro-tpm-info.supported-versions",
    "processor-info.supported-architecture",
    "processor-info.supported-features",
    "processor-info.sustained-clock-speed-in-ghz",
    "reboot-migration-support",
    "supported-boot-mode",
    "supported-root-device-type",
    "supported-usage-class",
    "supported-virtualization-type",
    "vcpu-info.default-vcpus",
];
/// Those of its filters that are about processors' cores.
const CORE_FILTERS: [&str; 4] = [
    "vcpu-info.default-cores",
    "vcpu-info.default-threads-per-core",
    "vcpu-info.valid-cores",
    "vcpu-info.valid-threads-per-core",
];

fn values(name: &str, of: &InstanceType) -> Option<Values<'static>> {
    let family = of.family;
    let ebs = |value: fn(Ebs) -> String| many(of.ebs.map(value));
    Some(match name {
        "auto-recovery-supported" | "supported-in-region" => one(true),
        "bare-metal" => one(of.bare_metal),
        "burstable-performance-supported" => one(family.burstable),
        "current-generation" => one(family.current),
        "dedicated-hosts-supported" => one(!family.burstable),
        "ebs-info.attachment-limit-type" => one("shared"),
        "ebs-info.maximum-ebs-attachments" => one(attachments(of)),
        "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps" => {
            ebs(|rates| rates.baseline_bandwidth.to_string())
        }
        "ebs-info.ebs-optimized-info.baseline-iops" => ebs(|rates| rates.baseline_iops.to_string()),
        "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps" => {
            ebs(|rates| throughput(rates.baseline_bandwidth))
        }
        "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps" => {
            ebs(|rates| rates.maximum_bandwidth.to_string())
        }
        "ebs-info.ebs-optimized-info.maximum-iops" => ebs(|rates| rates.maximum_iops.to_string()),
        "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps" => {
            ebs(|rates| throughput(rates.maximum_bandwidth))
        }
        "ebs-info.ebs-optimized-support" => one(optimized(of)),
        "ebs-info.encryption-support" => one("supported"),
        "ebs-info.nvme-support" => one(if family.nitro { "required" } else { "unsupported" }),
        "free-tier-eligible" => one(of.free_tier),
        "hibernation-supported" => one(hibernates(of)),
        "hypervisor" => many(hypervisor(of)),
        "instance-storage-supported" | "network-info.efa-supported" => one(false),
        "instance-type" => one(&of.name),
        "memory-info.size-in-mib" => one(of.memory),
        "network-info.ena-support" => one(if family.nitro { "required" } else { "unsupported" }),
        "network-info.encryption-in-transit-supported" => one(family.encrypts),
        "network-info.flexible-ena-queues-support" => one("unsupported"),
        "network-info.ipv4-addresses-per-interface"
        | "network-info.ipv6-addresses-per-interface" => one(of.addresses),
        "network-info.ipv6-supported" => one(true),
        "network-info.maximum-network-cards" => one(1),
        "network-info.maximum-network-interfaces" => one(of.interfaces),
        "network-info.network-performance" => one(of.network),
        "nitro-enclaves-support" => one(enclaves(of)),
        "nitro-tpm-support" => one(tpm(of)),
        "nitro-tpm-info.supported-versions" => many((tpm(of) == "supported").then_some("2.0")),
        "processor-info.supported-architecture" => many(architectures(of)),
        "processor-info.sustained-clock-speed-in-ghz" => one(clock(of)),
        "reboot-migration-support" => one(if of.bare_metal { "unsupported" } else { "supported" }),
        "supported-boot-mode" => many(boot_modes(of)),
        "supported-root-device-type" => one("ebs"),
        "supported-usage-class" => many(["on-demand", "spot"]),
        "supported-virtualization-type" => one("hvm"),
        "vcpu-info.default-vcpus" => one(of.vcpus),
        "vcpu-info.default-cores" => one(of.cores()),
        "vcpu-info.default-threads-per-core" => one(of.threads()),
        "vcpu-info.valid-cores" => many(valid_cores(of)),
        "vcpu-info.valid-threads-per-core" => many(1..=of.threads()),
        _ => return None,
    })
}

/// `DescribeInstanceTypes`.
pub(super) fn describe(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    params.bool("IncludeUnsupportedInRegion")?;
    let paging = Paging::parse(params, "DescribeInstanceTypes", 5..=100, Some("InstanceType"))?;
    let all = chosen(
        params,
        "InstanceType",
        INSTANCE_TYPES.iter().collect(),
        |known, name| known.name == name,
        |name| {
            Ec2Error::new(
                "InvalidInstanceType",
                format_args!("The following supplied instance types do not exist: [{name}]"),
            )
        },
    )?;
    let names: Vec<&str> = FILTERS.into_iter().chain(CORE_FILTERS).collect();
    let types = filtered(params, &names, |name, of: &&InstanceType| values(name, of), all)?;
    let (types, next) = page(types, |of| of.name.clone(), &paging);
    Ok(request.respond(|x| {
        x.items("instanceTypeSet", types, |x, of| write(of, x));
        x.opt("nextToken", next);
    }))
}

fn write(of: &InstanceType, x: &mut Xml) {
    let family = of.family;
    x.el("instanceType", &of.name);
    x.el("currentGeneration", family.current);
    x.el("freeTierEligible", of.free_tier);
    x.items("supportedUsageClasses", ["on-demand", "spot"], |x, class| x.text(class));
    x.items("supportedRootDeviceTypes", ["ebs"], |x, kind| x.text(kind));
    x.items("supportedVirtualizationTypes", ["hvm"], |x, kind| x.text(kind));
    x.el("bareMetal", of.bare_metal);
    x.opt("hypervisor", hypervisor(of));
    x.nest("processorInfo", |x| {
        x.items("supportedArchitectures", architectures(of), |x, name| x.text(name));
        x.el("sustainedClockSpeedInGhz", clock(of));
        x.el("manufacturer", family.manufacturer);
    });
    x.nest("vCpuInfo", |x| {
        x.el("defaultVCpus", of.vcpus);
        x.el("defaultCores", of.cores());
        x.el("defaultThreadsPerCore", of.threads());
        x.items("validCores", valid_cores(of), |x, cores| x.text(cores));
        x.items("validThreadsPerCore", 1..=of.threads(), |x, threads| x.text(threads));
    });
    x.nest("memoryInfo", |x| x.el("sizeInMiB", of.memory));
    x.el("instanceStorageSupported", false);
    x.nest("ebsInfo", |x| write_volumes(of, x));
    x.nest("networkInfo", |x| write_network(of, x));
    x.nest("placementGroupInfo", |x| {
        let all = ["cluster", "partition", "spread"];
        // Burstable types cannot be placed close to each other.
        let strategies = if family.burstable { &all[1..] } else { &all[..] };
        x.items("supportedStrategies", strategies, |x, strategy| x.text(strategy));
    });
    x.el("hibernationSupported", hibernates(of));
    x.el("burstablePerformanceSupported", family.burstable);
    x.el("dedicatedHostsSupported", !family.burstable);
    x.el("autoRecoverySupported", true);
    x.items("supportedBootModes", boot_modes(of), |x, mode| x.text(mode));
    x.el("nitroEnclavesSupport", enclaves(of));
    x.el("nitroTpmSupport", tpm(of));
    if tpm(of) == "supported" {
        x.nest("nitroTpmInfo", |x| x.items("supportedVersions", ["2.0"], |x, one| x.text(one)));
    }
    x.el("phcSupport", "unsupported");
    x.el("rebootMigrationSupport", if of.bare_metal { "unsupported" } else { "supported" });
}

fn write_volumes(of: &InstanceType, x: &mut Xml) {
    x.el("ebsOptimizedSupport", optimized(of));
    x.el("encryptionSupport", "supported");
    if let Some(rates) = of.ebs {
        x.nest("ebsOptimizedInfo", |x| {
            x.el("baselineBandwidthInMbps", rates.baseline_bandwidth);
            x.el("baselineThroughputInMBps", throughput(rates.baseline_bandwidth));
            x.el("baselineIops", rates.baseline_iops);
            x.el("maximumBandwidthInMbps", rates.maximum_bandwidth);
            x.el("maximumThroughputInMBps", throughput(rates.maximum_bandwidth));
            x.el("maximumIops", rates.maximum_iops);
        });
    }
    x.el("nvmeSupport", if of.family.nitro { "required" } else { "unsupported" });
    x.el("maximumEbsAttachments", attachments(of));
    x.el("attachmentLimitType", "shared");
}

fn write_network(of: &InstanceType, x: &mut Xml) {
    x.el("networkPerformance", of.network);
    x.el("maximumNetworkInterfaces", of.interfaces);
    x.el("maximumNetworkCards", 1);
    x.el("defaultNetworkCardIndex", 0);
    x.items("networkCards", [of], |x, of| {
        x.el("networkCardIndex", 0);
        x.el("networkPerformance", of.network);
        x.el("maximumNetworkInterfaces", of.interfaces);
    });
    x.el("ipv4AddressesPerInterface", of.addresses);
    x.el("ipv6AddressesPerInterface", of.addresses);
    x.el("ipv6Supported", true);
    x.el("enaSupport", if of.family.nitro { "required" } else { "unsupported" });
    x.el("efaSupported", false);
    x.el("encryptionInTransitSupported", of.family.encrypts);
    x.el("enaSrdSupported", false);
    x.el("flexibleEnaQueuesSupport", "unsupported");
}

fn hypervisor(of: &InstanceType) -> Option<&'static str> {
    match (of.bare_metal, of.family.nitro) {
        (true, _) => None,
        (false, true) => Some("nitro"),
        (false, false) => Some("xen"),
    }
}

/// The first types were for 32-bit processors, too.
fn architectures(of: &InstanceType) -> Vec<&'static str> {
    let own = of.family.architecture.name();
    if of.family.nitro || of.memory > 4096 { vec![own] } else { vec!["i386", own] }
}

fn clock(of: &InstanceType) -> String {
    format!("{}.{}", of.family.decigigahertz / 10, of.family.decigigahertz % 10)
}

fn valid_cores(of: &InstanceType) -> Vec<u32> {
    match of.cores() {
        1 => vec![1],
        all if of.family.burstable => vec![all],
        all => (1..=all / 2).map(|half| 2 * half).collect(),
    }
}

fn boot_modes(of: &InstanceType) -> Vec<&'static str> {
    match (of.family.architecture, of.family.nitro) {
        (model::Architecture::Arm, _) => vec!["uefi"],
        (model::Architecture::X86, true) => vec!["legacy-bios", "uefi"],
        (model::Architecture::X86, false) => vec!["legacy-bios"],
    }
}

/// Megabytes in a second, of megabits.
fn throughput(megabits: u32) -> String {
    let thousandths = u64::from(megabits) * 1000 / 8;
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

fn optimized(of: &InstanceType) -> &'static str {
    if of.ebs.is_some() { "default" } else { "unsupported" }
}

fn attachments(of: &InstanceType) -> u32 {
    if of.family.nitro { 27 } else { 39 }
}

fn hibernates(of: &InstanceType) -> bool {
    of.family.architecture == model::Architecture::X86 && !of.bare_metal && of.memory <= 150 * 1024
}

fn enclaves(of: &InstanceType) -> &'static str {
    let can = !of.family.burstable && !of.bare_metal && of.vcpus >= 4;
    if can { "supported" } else { "unsupported" }
}

fn tpm(of: &InstanceType) -> &'static str {
    let can = of.family.nitro && !of.bare_metal;
    if can { "supported" } else { "unsupported" }
}

/// A type, and a place where it is offered.
type Offering = (&'static str, String);

/// `DescribeInstanceTypeOfferings`.
pub(super) fn offerings(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let paging = Paging::parse(params, "DescribeInstanceTypeOfferings", 5..=1000, None)?;
    let kind = params.get("LocationType").filter(|text| !text.is_empty()).unwrap_or("region");
    let region = request.scope.region;
    let locations: Vec<String> = match kind {
        "region" => vec![region.to_string()],
        "availability-zone" => region.zones().map(|zone| zone.to_string()).collect(),
        "availability-zone-id" => region.zones().map(|zone| zone.zone_id()).collect(),
        "outpost" => Vec::new(),
        other => {
            let why = "Expecting region, availability-zone, availability-zone-id or outpost.";
            return Err(params.invalid("LocationType", other, why).into());
        }
    };
    let all = INSTANCE_TYPES
        .iter()
        .flat_map(|of| locations.iter().map(|location| (of.name.as_str(), location.clone())));
    let fields = |name: &str, (kind, location): &Offering| match name {
        "instance-type" => Some(one(kind)),
        "location" => Some(one(location)),
        _ => None,
    };
    let all = filtered(params, &["instance-type", "location"], fields, all)?;
    let (offered, next) = page(all, |(kind, location)| format!("{kind} {location}"), &paging);
    Ok(request.respond(|x| {
        x.items("instanceTypeOfferingSet", offered, |x, (name, location)| {
            x.el("instanceType", name);
            x.el("locationType", kind);
            x.el("location", location);
        });
        x.opt("nextToken", next);
    }))
}
