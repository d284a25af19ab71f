//! Two namespaces with a link between them: a VPC's router, and what an interface leads into.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use causeway_edge::Namespaces;
use model::{EniId, VpcId};
use os::netns::NetworkNamespace;

/// The router's address.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 1);
/// The interface's.
pub const INTERFACE: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 5);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A laboratory, which goes with its namespaces.
pub struct Lab {
    pub vpc: VpcId,
    pub eni: EniId,
}

impl Lab {
    /// With names of its own, and no namespaces yet.
    pub fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let digits = format!("ed9e{:08x}{number:05x}", std::process::id());
        Self {
            vpc: format!("vpc-{digits}").parse().unwrap(),
            eni: format!("eni-{digits}").parse().unwrap(),
        }
    }

    /// Makes both.
    pub fn build(&self) {
        let (router, interface) = (self.router(), self.interface());
        ip(&format!("netns add {router}"));
        ip(&format!("netns add {interface}"));
        ip(&format!("-n {router} link add e0 type veth peer name eth0 netns {interface}"));
        for command in [
            format!("-n {router} link set lo up"),
            format!("-n {router} addr add {ROUTER}/24 dev e0"),
            format!("-n {router} addr add 10.77.0.2/32 dev lo"),
            format!("-n {router} addr add 169.254.169.253/32 dev lo"),
            format!("-n {router} link set e0 up"),
            format!("-n {interface} link set lo up"),
            format!("-n {interface} addr add {INTERFACE}/24 dev eth0"),
            format!("-n {interface} link set eth0 up"),
            format!("-n {interface} route add default via {ROUTER}"),
        ] {
            ip(&command);
        }
    }

    /// Gives the router's machine one more address, which others know by its Ethernet address whether it is there or not.
    pub fn appear(&self, address: Ipv4Addr) {
        let (router, interface) = (self.router(), self.interface());
        ip(&format!("-n {router} addr add {address}/24 dev e0"));
        let link = Command::new("ip").args(["-n", &router, "-br", "link", "show", "e0"]).output();
        let link = String::from_utf8(link.unwrap().stdout).unwrap();
        let ethernet = link.split_whitespace().nth(2).unwrap();
        ip(&format!(
            "-n {interface} neigh replace {address} lladdr {ethernet} dev eth0 nud permanent"
        ));
    }

    /// What is sent to such an address is lost from now on.
    pub fn vanish(&self, address: Ipv4Addr) {
        ip(&format!("-n {} addr del {address}/24 dev e0", self.router()));
    }

    /// Removes both.
    pub fn remove(&self) {
        ip(&format!("netns del {}", self.router()));
        ip(&format!("netns del {}", self.interface()));
    }

    /// Runs something in the router.
    pub fn in_router<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.router(), work)
    }

    /// Runs something in what the interface leads into.
    pub fn in_interface<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.interface(), work)
    }

    /// What the edge is told of them.
    pub fn namespaces(&self) -> Namespaces {
        Namespaces {
            routers: BTreeMap::from([(self.vpc, self.router())]),
            interfaces: BTreeMap::from([(self.eni, self.interface())]),
        }
    }

    /// Not as the fabric has it: an edge knows what it is told, and no convention.
    fn router(&self) -> String {
        format!("cw-the-router-of-{}", self.vpc)
    }

    fn interface(&self) -> String {
        format!("cw-behind-{}", self.eni)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in [self.router(), self.interface()] {
            // One that was not made, or is gone, is as good.
            let _ = Command::new("ip").args(["netns", "del", &name]).output();
        }
    }
}

fn ip(command: &str) {
    let output = Command::new("ip").args(command.split(' ')).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {command}: {error}");
}

fn inside<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> T {
    let namespace = NetworkNamespace::open(name).unwrap().expect("it was made");
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            namespace.enter().unwrap();
            work()
        });
        thread.join().unwrap()
    })
}
