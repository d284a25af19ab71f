//! What there is to say of a packet's way: sentences with places, so that each language has its own.

use std::fmt::{self, Display};
use std::net::Ipv4Addr;

use serde::{Serialize, Serializer};

use crate::intent::ExitId;
use crate::{
    AclId, Cidr, EniId, IgwId, NatGatewayId, PcxId, PortRange, RouteTableId, SecurityGroupId,
    SecurityGroupRuleId, SubnetId, VpcId,
};

macro_rules! wordings {
    ($($name:ident = $text:literal;)*) => {
        /// A sentence, or a part of one, with places such as `{address}` to be filled.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Wording {
            $(#[doc = $text] $name,)*
        }

        impl Wording {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The sentence in English, which is what the APIs say.
            pub const fn english(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

wordings! {
    // Interfaces and addresses.
    OwnAddress = "{address} is its own address";
    Unused = "{eni} has {address}, but nothing uses it";
    NobodyHas = "no interface of {vpc} has {address}";
    NotItsAddress = "{address} is not an address of {eni}";
    HasAddress = "it has {address}";
    GetsByRoute = "a route gives it what is for {address}";
    MustPassOn = "a route gives it the packet, and it must pass it on to {address} of {vpc}; whether it does is up to what runs there";
    PassesOn = "it checks no addresses, and passes on what is for {address}";
    OwnSource = "a route gives it what it has sent itself from {address}, which it drops";
    Circle = "{eni} has passed the packet on before: routes lead it round in a circle";
    NoVpc = "{vpc} does not exist";
    NoSubnet = "its subnet {subnet} does not exist";

    // Route tables.
    LocalRoute = "{address} is inside {vpc}: the local route";
    LeadsTo = "{block} leads to {target}";
    Overlap = "{address} lies in a block of {vpc} itself, so the local route comes first and never leads to {goal}; VPCs with the same addresses cannot talk";
    TakesOnlyItsOwn = "the route leads to {eni}, which takes only what is for its own addresses";
    Blackhole = "{block} is a blackhole: {why}";
    PeeringIs = "{pcx} is {status}";
    JoinsOthers = "{pcx} joins other VPCs";
    NoPeering = "{pcx} does not exist";
    InterfaceGone = "{eni} is gone, or nothing uses it";
    OnlyToGateway = "it leads to {igw} only";
    NothingCarries = "nothing carries packets to {igw}";
    LeadsNowhere = "it leads nowhere";
    NoRoute = "no route leads to {address}";
    OnlyPrimary = "no route leads to {address}: a space reaches only the primary block of {vpc}";
    NoWayBack = "the answer finds no way back: {why}";
    AndAlso = "{one}; {other}";
    Unjoined = "no peering joins {one} and {other}";

    // Peerings.
    TheNewPeering = "the new peering";
    PeeringGone = "it is gone";
    NotCarried = "it is not carried";
    Carried = "it is carried, and {vpc} takes the packet";
    AddressHere = "{address} is an address of {here} here, not of {goal}";
    SourceInside = "{address} is an address of {vpc} itself";
    SourceBehind = "{address} is an address of the VPC behind {pcx}";
    ToSecondary = "{address} lies in the secondary block {block} of {vpc}; from a space only the primary block {primary} can be reached";
    NotBehind = "{address} is no address of {vpc}, and peerings do not lead on to what is behind";
    FromSecondary = "{address} lies in the secondary block {block} of {vpc}; a space talks only with the primary block {primary}";
    TakesFrom = "{vpc} takes packets from {blocks} only, not from {address}";
    TakesFromNobody = "{vpc} takes packets from nobody only, not from {address}";

    // What is outside.
    NotAttached = "{igw} is not attached to {vpc}";
    NoGateway = "no internet gateway is attached to {vpc}";
    NothingOutside = "nothing leads out of this installation";
    NatIs = "{nat} is {status}";
    SendsOnAs = "{eni} is a private NAT gateway's, and sends it on as {address}";
    GivesBackTo = "{eni} is a private NAT gateway's, and gives the answer back to {address}";
    TakesAnswersOnly = "{eni} is a private NAT gateway's, and takes nothing but answers to what it sent";
    AnswersAs = "{eni} is a private NAT gateway's, by which the packet did not come: it sends the answer on as {address}, and nobody waits for one from there";
    ComesBackTo = "the route table of the NAT gateway's own subnet leads back to {eni}";
    NatLeadsNowhere = "the route table of {subnet}, which {nat} is in, does not lead to an internet gateway for {address}";
    NoPublicAddress = "{address} has no public address";
    GoesOutBy = "{address} goes out as {public}";
    ComesInBy = "{public} stands for {address}";
    Denied = "{address} lies in {block}, to which nothing leads from here";
    NobodyOutside = "nobody outside has {address}";
    LeavesElsewhere = "the answer would leave by {exit}, by which its packet did not come";
    NotTranslated = "{eni} has passed it on, and {exit} takes only what comes from its sender itself";

    // Security groups.
    RuleAllows = "{rule} of {group} allows {traffic}";
    StaleRule = "{rule} names {group}, whose members cannot be seen from {vpc}";
    NoInboundRules = "there is no inbound rule";
    NoOutboundRules = "there is no outbound rule";
    NoInboundRule = "no inbound rule allows {packet}";
    NoOutboundRule = "no outbound rule allows {packet}";
    Namesake = "{why}; {rule} names {group}, whose member with that address is behind {there}";
    NamesakeComes = "{why}; {rule} names {group}, whose member with that address is behind {there}, and the packet comes by {here}";
    NamesakeLeaves = "{why}; {rule} names {group}, whose member with that address is behind {there}, and the packet leaves by {here}";
    TrafficFrom = "{traffic} from {other}";
    TrafficTo = "{traffic} to {other}";
    AllTraffic = "all traffic";
    MembersOf = "members of {group}";

    // Network ACLs.
    EverythingPasses = "everything may pass";
    InboundAllows = "inbound entry {number} allows {traffic}";
    InboundDenies = "inbound entry {number} denies {traffic}";
    OutboundAllows = "outbound entry {number} allows {traffic}";
    OutboundDenies = "outbound entry {number} denies {traffic}";
    NoInboundEntry = "no inbound entry is for {packet}";
    NoOutboundEntry = "no outbound entry is for {packet}";
    AnswerStopped = "the answer is stopped, and ACLs remember nothing: {why}";
    AnswersStopped = "answers to the source ports {ports} are stopped, and ACLs remember nothing: {why}";

    // What is another's.
    OwnerLetsPass = "what its owner set lets it pass";
    OwnerStopsSome = "what its owner set stops it there from some source ports";
    OwnerStops = "what its owner set stops it there";

    // The component that decides.
    Code = "{code}";
    Of = "{part} of {whole}";

    // What to do.
    AskOwner = "ask the owner of {vpc}";
    UseAnAddress = "send it to an address that something has; `{command}` lists them";
    MoveToPrimary = "put it into a subnet of the primary block {block} of {vpc}, or a proxy for it";
    NameTheVpc = "no VPC that is peered with {vpc} has {address}: name the one that is meant as vpc-…/{address}";
    NameOrAsk = "no VPC that is peered with {vpc} has {address}: name the one that is meant as vpc-…/{address}, or ask the operator to start the server with --outbound if it is outside";
    ThroughADyno = "data services are reached from their own space only: send it through a dyno";
    CannotBeJoined = "{one} and {other} cannot be joined: send it through a proxy in a VPC that is peered with both";
    AskForOutbound = "ask the operator to start the server with --outbound";
    AskToAllow = "ask the operator to allow it in `[outbound]`";
    AttachGateway = "attach an internet gateway to {vpc}";
    AllocateFirst = "allocate an elastic IP address by `{command}`, and ask again";
    RoutesFull = "{table} has as many routes as it may have: delete one, and ask again";
    InboundRulesFull = "the groups have as many inbound rules as they may have: revoke one, and ask again";
    OutboundRulesFull = "the groups have as many outbound rules as they may have: revoke one, and ask again";
    InboundEntriesFull = "{acl} has as many inbound entries as it may have: delete one, and ask again";
    OutboundEntriesFull = "{acl} has as many outbound entries as it may have: delete one, and ask again";
    AfterThat = "after that, {act}";
    AndThen = "{one}, and {other}";
    RouteToNew = "route {block} to the new peering in {table}";
    AcceptNew = "accept the new peering";
    TearNewDown = "tear the new peering down";
    LetHave = "let the space have {number} peerings";
}

/// A sentence whose places are filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    wording: Wording,
    parts: Vec<(&'static str, Part)>,
}

/// What fills a place of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// An id, a block, an address or a command: the same in every language.
    Code(String),
    /// Words.
    Phrase(Phrase),
}

/// A sentence with its places filled: `say!(NobodyHas, vpc = id, address = to)`.
macro_rules! say {
    ($wording:ident $(, $place:ident = $part:expr)* $(,)?) => {
        $crate::reach::phrase::Phrase::new($crate::reach::phrase::Wording::$wording)
            $(.with(stringify!($place), $part))*
    };
}
pub(super) use say;

impl Phrase {
    pub(super) fn new(wording: Wording) -> Self {
        Self { wording, parts: Vec::new() }
    }

    pub(super) fn with(mut self, place: &'static str, part: impl Into<Part>) -> Self {
        self.parts.push((place, part.into()));
        self
    }

    /// Which sentence it is.
    pub const fn wording(&self) -> Wording {
        self.wording
    }

    /// What fills the places, by their names.
    pub fn parts(&self) -> &[(&'static str, Part)] {
        &self.parts
    }

    /// What fills a place; nothing where the sentence has no such place.
    pub fn part(&self, place: &str) -> Option<&Part> {
        self.parts.iter().find(|(name, _)| *name == place).map(|(_, part)| part)
    }

    /// Whether it is another one, or has it in one of its places.
    pub(super) fn says(&self, other: &Self) -> bool {
        self == other
            || self.parts.iter().any(|(_, part)| match part {
                Part::Code(_) => false,
                Part::Phrase(phrase) => phrase.says(other),
            })
    }

    /// Takes an id out of it, and puts words in its place.
    pub(super) fn replace(&mut self, code: &str, by: Wording) {
        for (_, part) in &mut self.parts {
            match part {
                Part::Code(text) if text == code => *part = Self::new(by).into(),
                Part::Code(_) => {}
                Part::Phrase(phrase) => phrase.replace(code, by),
            }
        }
    }
}

impl Display for Phrase {
    /// Writes it in English.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.wording.english();
        while let Some((before, from)) = rest.split_once('{') {
            let (place, after) = from.split_once('}').unwrap_or((from, ""));
            f.write_str(before)?;
            let part = self.part(place);
            debug_assert!(part.is_some(), "nothing fills {{{place}}} of {:?}", self.wording);
            match part {
                Some(Part::Code(code)) => f.write_str(code)?,
                Some(Part::Phrase(phrase)) => phrase.fmt(f)?,
                None => {}
            }
            rest = after;
        }
        f.write_str(rest)
    }
}

impl Serialize for Phrase {
    /// As the APIs say it: in English.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<Phrase> for Part {
    fn from(phrase: Phrase) -> Self {
        Self::Phrase(phrase)
    }
}

impl From<ExitId> for Part {
    fn from(exit: ExitId) -> Self {
        match exit {
            ExitId::Gateway(igw) => igw.into(),
            ExitId::Nat(nat) => nat.into(),
        }
    }
}

impl From<String> for Part {
    fn from(code: String) -> Self {
        Self::Code(code)
    }
}

macro_rules! codes {
    ($($type:ty)*) => {
        $(impl From<$type> for Part {
            fn from(code: $type) -> Self {
                Self::Code(code.to_string())
            }
        })*
    };
}

codes! {
    &str u16 Ipv4Addr Cidr PortRange
    AclId EniId IgwId NatGatewayId PcxId RouteTableId SecurityGroupId SecurityGroupRuleId SubnetId VpcId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_filled_and_says_what_is_in_it() {
        let pcx: PcxId = "pcx-00000000000000001".parse().unwrap();
        let is = say!(PeeringIs, pcx = pcx, status = "expired");
        let mut whole = say!(Blackhole, block = "10.0.0.0/16", why = is.clone());
        assert_eq!(
            whole.to_string(),
            "10.0.0.0/16 is a blackhole: pcx-00000000000000001 is expired"
        );
        assert!(whole.says(&is) && whole.says(&whole) && !is.says(&whole));
        whole.replace(&pcx.to_string(), Wording::TheNewPeering);
        assert_eq!(whole.to_string(), "10.0.0.0/16 is a blackhole: the new peering is expired");
        assert_eq!(serde_json::to_value(&is).unwrap(), "pcx-00000000000000001 is expired");
    }
}
