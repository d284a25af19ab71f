//! The authorization matrix: every action with ids that are the caller's own, another account's, nobody's, and
//! none at all; and with a key that may only read.

use std::collections::{BTreeMap, BTreeSet};

use model::World;

use super::forms::{FORMS, Form};
use super::kit::{Kit, kit};
use super::stage::{Stage, alice, bob, scope};
use crate::http::ec2::{ACTIONS, Action};

/// The codes for each kind of id, by its prefix: one that is malformed, and one that the caller cannot see.
const KINDS: [(&str, &str, &str); 27] = [
    ("acl", "InvalidNetworkAclId.Malformed", "InvalidNetworkAclID.NotFound"),
    ("aclassoc", "InvalidAssociationID.Malformed", "InvalidAssociationID.NotFound"),
    ("dopt", "InvalidDhcpOptionsId.Malformed", "InvalidDhcpOptionID.NotFound"),
    ("eigw", "InvalidEgressOnlyInternetGatewayId.Malformed", "InvalidGatewayID.NotFound"),
    ("eipalloc", "InvalidAllocationID.Malformed", "InvalidAllocationID.NotFound"),
    ("eipassoc", "InvalidAssociationID.Malformed", "InvalidAssociationID.NotFound"),
    ("eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"),
    ("eni-attach", "InvalidAttachmentID.Malformed", "InvalidAttachmentID.NotFound"),
    ("fl", "InvalidFlowLogId.Malformed", "InvalidFlowLogId.NotFound"),
    ("i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"),
    ("igw", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound"),
    ("key", "InvalidKeyPairId.Malformed", "InvalidKeyPair.NotFound"),
    ("nat", "NatGatewayMalformed", "NatGatewayNotFound"),
    (
        "nia",
        "InvalidNetworkInsightsAnalysisId.Malformed",
        "InvalidNetworkInsightsAnalysisId.NotFound",
    ),
    ("nip", "InvalidNetworkInsightsPathId.Malformed", "InvalidNetworkInsightsPathId.NotFound"),
    ("pcx", "InvalidVpcPeeringConnectionId.Malformed", "InvalidVpcPeeringConnectionID.NotFound"),
    ("pl", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound"),
    ("rtb", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound"),
    ("rtbassoc", "InvalidAssociationID.Malformed", "InvalidAssociationID.NotFound"),
    ("scr", "InvalidSubnetCidrReservationId.Malformed", "InvalidSubnetCidrReservationID.NotFound"),
    ("sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"),
    ("sgr", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound"),
    ("subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"),
    (
        "subnet-cidr-assoc",
        "InvalidSubnetCidrBlockAssociationId.Malformed",
        "InvalidSubnetCidrBlockAssociationID.NotFound",
    ),
    ("vol", "InvalidVolumeID.Malformed", "InvalidVolume.NotFound"),
    ("vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"),
    (
        "vpc-cidr-assoc",
        "InvalidVpcCidrBlockAssociationID.Malformed",
        "InvalidVpcCidrBlockAssociationID.NotFound",
    ),
];

/// What is wrong with an answer, or nothing.
type Finding = Result<(), String>;

struct Matrix {
    stage: Stage,
    world: World,
    alice: Kit,
    bob: Kit,
}

impl Matrix {
    fn new() -> Self {
        let mut stage = Stage::new();
        let (alice, bob) = (kit(&mut stage, alice(), 1), kit(&mut stage, bob(), 1));
        let world = stage.world.clone();
        Self { stage, world, alice, bob }
    }

    /// The code and the message of a refusal, which must change nothing.
    fn refused(&mut self, of: model::Scope, form: &str) -> Result<(String, String), String> {
        self.stage.world = self.world.clone();
        let answer = self.stage.call(of, form);
        let error = answer.err().ok_or_else(|| format!("{form} is granted"))?;
        if !self.stage.world.records().eq(self.world.records()) {
            return Err(format!("{form} is refused, and changes something"));
        }
        Ok((error.code.into_owned(), error.message))
    }

    /// With one's own ids a form is granted, or refused as it says; not with a key that may only read, unless
    /// it changes nothing.
    fn own(&mut self, form: &Form) -> Finding {
        let text = form.filled(&self.alice, None);
        if let Some(code) = form.refused {
            let (got, message) = self.refused(alice(), &text)?;
            return expect(&text, &got, code, &message);
        }
        self.stage.world = self.world.clone();
        self.stage.call(alice(), &text).map_err(|error| format!("{text}: {error:?}"))?;
        if !form.writes() {
            return Ok(());
        }
        self.stage.read_only = true;
        let refused = self.refused(alice(), &text);
        self.stage.read_only = false;
        let (code, message) = refused?;
        expect(&text, &code, "UnauthorizedOperation", &message)
    }

    /// Another account's id is answered as one that nobody has, and both are not found; so is one's own in
    /// another region. What is no id is malformed.
    fn varied(&mut self, form: &Form, (name, code): (&str, Option<&str>)) -> Finding {
        let own = self.alice[name].clone();
        let (prefix, _) = own.rsplit_once('-').unwrap();
        let kind = KINDS.iter().find(|(of, ..)| *of == prefix);
        let (_, malformed, not_found) = kind.ok_or_else(|| {
            format!("there is a new kind of id, {own}: add its codes to KINDS in matrix.rs")
        })?;
        for wrong in ["foobar", &format!("{prefix}-XYZ"), &format!("{prefix}-12345")] {
            let text = form.filled(&self.alice, Some((name, wrong)));
            let (got, message) = self.refused(alice(), &text)?;
            if Some(got.as_str()) != code {
                expect(&text, &got, malformed, &message)?;
            }
        }
        let nobodys = format!("{prefix}-0fedcba9876543210");
        if form.empty {
            for id in [&nobodys, &self.bob[name]] {
                let text = form.filled(&self.alice, Some((name, id)));
                let answer = self.stage.call(alice(), &text);
                if answer.is_err() || answer.is_ok_and(|answer| answer.contains("<item>")) {
                    return Err(format!("{text} does not leave it out"));
                }
            }
            return Ok(());
        }
        let text = form.filled(&self.alice, Some((name, &nobodys)));
        let (code, expected) = self.refused(alice(), &text)?;
        expect(&text, &code, not_found, &expected)?;
        let anothers = self.bob[name].clone();
        let text = form.filled(&self.alice, Some((name, &anothers)));
        let (code, message) = self.refused(alice(), &text)?;
        expect(&text, &code, not_found, &message)?;
        if message.replace(&anothers, &nobodys) != expected {
            return Err(format!("{text}: {message}, but of what there is not: {expected}"));
        }
        let text = form.filled(&self.alice, None);
        let elsewhere = scope("111111111111", "eu-west-1");
        let (code, message) = self.refused(elsewhere, &text)?;
        match code.ends_with("NotFound") {
            true => Ok(()),
            false => Err(format!("{text} in another region: {code}: {message}")),
        }
    }
}

fn expect(form: &str, code: &str, wanted: &str, message: &str) -> Finding {
    match code == wanted {
        true => Ok(()),
        false => Err(format!("{form}: {code}, not {wanted}: {message}")),
    }
}

#[test]
fn every_action_has_a_form() {
    let known: BTreeSet<&str> = ACTIONS.iter().map(|(_, name, _)| *name).collect();
    let with: BTreeSet<&str> = FORMS.iter().map(|form| form.action).collect();
    let missing: Vec<_> = known.difference(&with).collect();
    assert!(missing.is_empty(), "add a form to tests/forms.txt, with all its ids, for {missing:?}");
    let gone: Vec<_> = with.difference(&known).collect();
    assert!(gone.is_empty(), "tests/forms.txt has forms of what is no action: {gone:?}");
}

#[test]
fn each_action_is_granted_to_owners_alone() {
    let mut matrix = Matrix::new();
    let mut findings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for form in FORMS.iter() {
        let mut found = |finding: Finding| {
            if let Err(finding) = finding {
                findings.entry(form.action.to_owned()).or_default().push(finding);
            }
        };
        found(matrix.own(form));
        for name in form.varied() {
            found(matrix.varied(form, name));
        }
    }
    let text: Vec<String> = findings.into_values().flatten().collect();
    assert!(text.is_empty(), "{} findings:\n{}", text.len(), text.join("\n"));
}

/// What takes tags has them set and taken away by its owner alone, whatever kind it is of.
#[test]
fn each_kind_of_resource_is_tagged_by_its_owner_alone() {
    let mut matrix = Matrix::new();
    let kit = matrix.alice.clone();
    let kinds: BTreeMap<&str, &str> = kit
        .iter()
        .filter_map(|(name, id)| Some((id.rsplit_once('-')?.0, *name)))
        .filter(|(prefix, _)| KINDS.iter().any(|(known, ..)| known == prefix))
        .collect();
    let parts =
        ["aclassoc", "eipassoc", "eni-attach", "rtbassoc", "subnet-cidr-assoc", "vpc-cidr-assoc"];
    for (prefix, name) in kinds {
        let own = matrix.alice[name].clone();
        let form =
            |id: &str| format!("Action=CreateTags&ResourceId.1={id}&Tag.1.Key=k&Tag.1.Value=v");
        if parts.contains(&prefix) {
            let refused = matrix.refused(alice(), &form(&own)).unwrap();
            assert_eq!(refused.0, "InvalidID", "{own}");
            continue;
        }
        let (_, _, not_found) = KINDS.iter().find(|(known, ..)| *known == prefix).unwrap();
        // The actions on tags have no code for this kind.
        let not_found = if prefix == "dopt" { &"InvalidID" } else { not_found };
        let another = matrix.bob[name].clone();
        for id in [another, format!("{prefix}-0fedcba9876543210")] {
            assert_eq!(matrix.refused(alice(), &form(&id)).unwrap().0, *not_found, "{id}");
        }
        matrix.stage.world = matrix.world.clone();
        matrix.stage.call(alice(), &form(&own)).unwrap_or_else(|error| panic!("{own}: {error:?}"));
        let shown = format!(
            "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1={own}\
                             &Filter.2.Name=tag:k&Filter.2.Value.1=v"
        );
        let shown = matrix.stage.call(alice(), &shown).unwrap();
        assert_eq!(shown.matches("<item>").count(), 1, "{own}: {shown}");
    }
}

/// What one names beside what is one's own must be one's own too: here all but one id is.
#[test]
fn what_is_anothers_cannot_be_read_by_a_form_of_theirs() {
    let mut matrix = Matrix::new();
    for form in FORMS.iter().filter(|form| !form.empty && form.varied().next().is_some()) {
        let text = form.filled(&matrix.alice, None);
        let (code, message) = matrix.refused(bob(), &text).unwrap();
        assert!(code.ends_with("NotFound"), "{text}: {code}: {message}");
    }
}

impl Form {
    fn writes(&self) -> bool {
        let entry = ACTIONS.iter().find(|(_, name, _)| *name == self.action);
        matches!(entry, Some((_, _, Action::Write { .. })))
    }
}
