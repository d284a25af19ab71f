//! The driver of a server that writes all networks, as long as it leads.

use std::collections::BTreeSet;
use std::sync::Arc;

use fabric::driver::{Driver, Error as FabricError, Report};
use model::EniId;
use model::intent::{NetworksDelta, NetworksIntent};
use model::protocol::{Networks, Subject};
use os::error_chain;
use ovsdb::Client;

use crate::central::{Central, noted_epoch, watches};
use crate::connection::{self, Database};
use crate::driver::{Alarm, Ovn, PATIENCE};
use crate::routers::Routers;
use crate::uptake::Uptake;
use crate::version;
use crate::vpc::Places;

/// Says where interfaces are, by the names that OVN knows hosts by, as far as that is known.
pub type Whereabouts = Box<dyn Fn(&BTreeSet<EniId>) -> Places + Send>;

/// What a writer works with.
pub struct WriterParts {
    /// The northbound database.
    pub northbound: Database,
    /// The southbound database, where hosts say what they have.
    pub southbound: Database,
    /// The installation's name.
    pub instance: String,
    /// By which epoch this server leads, which no other has; `None` where it does not lead.
    pub epoch: Box<dyn Fn() -> Option<u64> + Send>,
    /// Where interfaces are.
    pub whereabouts: Whereabouts,
}

/// The driver. It takes the database over when it is told what must be and leads, and lets go of it when it leads no
/// more.
pub struct Writer {
    parts: WriterParts,
    alarm: Alarm,
    clients: Option<Clients>,
    /// The epoch that may have been noted in the database.
    tried: Option<u64>,
    /// The driver, by the epoch by which it writes.
    led: Option<(u64, Ovn)>,
    /// What must be, while the database cannot be written to.
    waiting: Option<NetworksIntent>,
    /// Why it cannot.
    broken: Option<String>,
}

/// Clients of both databases.
struct Clients {
    north: Client,
    south: Client,
}

impl Clients {
    fn start(
        [north, south]: [&Database; 2],
        instance: &str,
        alarm: &Alarm,
    ) -> Result<Self, String> {
        Ok(Self {
            north: north.client("OVN_Northbound", watches(instance), alarm)?,
            south: south.client("OVN_Southbound", Uptake::watches(instance), alarm)?,
        })
    }

    /// Waits until both databases are there.
    fn wait(&self, [north, south]: [&Database; 2]) -> Result<(), String> {
        let what = |which, at: &Database| format!("the {which} database of OVN at {}", at.name());
        connection::wait(&self.north, &what("northbound", north), PATIENCE)?;
        connection::wait(&self.south, &what("southbound", south), PATIENCE)
    }
}

/// Removes all of an installation from OVN, whose servers are down, and returns how many things that was.
///
/// # Errors
///
/// What could not be removed, and what keeps OVN from being asked.
pub fn purge(
    northbound: &Database,
    southbound: &Database,
    instance: &str,
) -> Result<usize, FabricError> {
    let said = |why| FabricError::Several(vec![why]);
    let alarm = Alarm::default();
    let clients = Clients::start([northbound, southbound], instance, &alarm).map_err(said)?;
    clients.wait([northbound, southbound]).map_err(said)?;
    let Clients { north, south } = clients;
    // Nobody else writes by it any more, and whoever starts next has a later one.
    let epoch = noted_epoch(&north.snapshot(), instance).unwrap_or_default();
    let central = Central::lead_again(north, instance, epoch, PATIENCE);
    let central = central.map_err(|error| said(error_chain(&error)))?;
    Ovn::new(Routers::new(central, Uptake::new(south)), None, alarm).purge()
}

impl Writer {
    /// A writer, which connects once it is told what must be.
    pub fn new(parts: WriterParts) -> Self {
        let alarm = Alarm::default();
        Self { parts, alarm, clients: None, tried: None, led: None, waiting: None, broken: None }
    }

    /// The driver, if this server leads and the database is there.
    fn lead(&mut self) -> Result<&mut Ovn, String> {
        let epoch = (self.parts.epoch)();
        self.led.take_if(|(led, _)| Some(*led) != epoch);
        if self.led.is_none() {
            let epoch = epoch.ok_or("this server does not lead")?;
            self.led = Some((epoch, self.take_over(epoch)?));
        }
        let (_, ovn) = self.led.as_mut().ok_or("this server does not lead")?;
        Ok(ovn)
    }

    fn take_over(&mut self, epoch: u64) -> Result<Ovn, String> {
        let WriterParts { northbound, southbound, instance, .. } = &self.parts;
        let clients = match self.clients.take() {
            Some(clients) => clients,
            None => Clients::start([northbound, southbound], instance, &self.alarm)?,
        };
        let fit = clients.wait([northbound, southbound]);
        if let Err(why) = fit.and_then(|()| version::require(&clients.north.snapshot())) {
            self.clients = Some(clients);
            return Err(why);
        }
        let Clients { north, south } = clients;
        let again = self.tried.replace(epoch) == Some(epoch);
        let central = match again {
            false => Central::lead(north, instance, epoch, PATIENCE),
            true => Central::lead_again(north, instance, epoch, PATIENCE),
        };
        let central = central.map_err(|error| error_chain(&error))?;
        let routers = Routers::new(central, Uptake::new(south));
        Ok(Ovn::new(routers, None, self.alarm.clone()))
    }

    /// Where interfaces are, out of the hosts that OVN knows: nobody could take up what is for another one.
    fn places(&self, enis: &BTreeSet<EniId>) -> Places {
        let Some((_, ovn)) = &self.led else { return Places::new() };
        let known = ovn.routers().uptake().chassis();
        let mut places = (self.parts.whereabouts)(enis);
        places.retain(|_, host| known.contains(host));
        places
    }

    fn place_all(&mut self, enis: &BTreeSet<EniId>) {
        let places = self.places(enis);
        if let Some((_, ovn)) = &mut self.led {
            ovn.place(places);
        }
    }
}

impl Driver for Writer {
    fn name(&self) -> &'static str {
        "ovn"
    }

    fn on_drift(&mut self, alarm: Arc<dyn Fn() + Send + Sync>) {
        self.alarm.set(alarm);
    }

    fn begin_sweep(&mut self, intent: NetworksIntent) {
        (self.waiting, self.broken) = (None, None);
        if let Err(why) = self.lead() {
            (self.waiting, self.broken) = (Some(intent), Some(why));
            return;
        }
        let vpcs = intent.vpcs.values();
        self.place_all(&vpcs.flat_map(|vpc| vpc.interfaces.keys().copied()).collect());
        if let Some((_, ovn)) = &mut self.led {
            ovn.begin_sweep(intent);
        }
    }

    fn look_again(&mut self) -> bool {
        if let Some(intent) = self.waiting.take() {
            self.begin_sweep(intent);
            return true;
        }
        let epoch = (self.parts.epoch)();
        if self.led.as_ref().is_none_or(|(led, _)| Some(*led) != epoch) {
            self.led = None;
            return false;
        }
        let enis = self.led.as_ref().map(|(_, ovn)| ovn.routers().all_interfaces());
        self.place_all(&enis.unwrap_or_default());
        self.led.as_mut().is_some_and(|(_, ovn)| ovn.look_again())
    }

    fn step(&mut self) -> Option<Report> {
        if let Some(why) = self.broken.take() {
            return Some(Report { errors: vec![why], ..Report::default() });
        }
        self.led.as_mut()?.1.step()
    }

    fn apply(&mut self, delta: &NetworksDelta) -> Report {
        if let Some(waiting) = &mut self.waiting {
            Networks::change(waiting, delta.clone());
            let why = "the northbound database of OVN is not written to yet".to_owned();
            return Report { errors: vec![why], ..Report::default() };
        }
        let vpcs = delta.vpcs.values().flatten();
        let enis = vpcs.flat_map(|vpc| vpc.interfaces.keys().copied()).collect();
        let places = self.places(&enis);
        match &mut self.led {
            Some((_, ovn)) => {
                ovn.place_some(&enis, places);
                ovn.apply(delta)
            }
            None => {
                let why = "nothing is known of the networks until the next sweep".to_owned();
                Report { errors: vec![why], ..Report::default() }
            }
        }
    }

    fn purge(&mut self) -> Result<usize, FabricError> {
        self.lead().map_err(|why| FabricError::Several(vec![why]))?.purge()
    }
}
