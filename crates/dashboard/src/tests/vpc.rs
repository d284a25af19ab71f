//! The pages of a VPC.

use model::{
    Direction, Ec2Command, Key, Observation, PcxId, PortRange, RouteTo, RulePeerSpec, RuleSpec,
    RunInstances, SystemCommand, Tags, Traffic, Vpc, VpcId,
};

use super::check;
use super::stage::{Seen, Stage};
use crate::*;

/// A VPC with two subnets, one of which has a table of its own, an instance in it, and a peering with the
/// space that is active.
struct Lab {
    stage: Stage,
    vpc: VpcId,
    peering: PcxId,
}

impl Lab {
    fn new() -> Self {
        let mut stage = Stage::new();
        let peering = stage.request("10.64.0.0/16");
        stage.accept(peering);
        let vpc = stage.world.peering(peering).unwrap().requester.vpc;
        let mut lab = Self { stage, vpc, peering };
        let first = lab.subnet("10.64.0.0/24", "app-a");
        let second = lab.subnet("10.64.1.0/24", "<b>db</b>");
        let caller = lab.stage.caller();
        let (client_token, tags) = (None, Tags::new());
        let table = Ec2Command::CreateRouteTable { vpc, client_token, tags };
        let Some(Key::RouteTable(route_table)) = lab.stage.run(caller, table) else { panic!() };
        lab.stage.run(caller, Ec2Command::AssociateRouteTable { route_table, subnet: second });
        for subnet in [first, second] {
            let run = RunInstances {
                subnet: Some(subnet),
                image: "host".to_owned(),
                instance_type: None,
                min_count: 1,
                max_count: 1,
                groups: Vec::new(),
                group_names: Vec::new(),
                address: None,
                public: None,
                key_name: None,
                user_data: None,
                client_token: None,
                instance_tags: Tags::new(),
                interface_tags: Tags::new(),
            };
            lab.stage.run(caller, Ec2Command::RunInstances(run));
        }
        lab
    }

    fn subnet(&mut self, block: &str, name: &str) -> model::SubnetId {
        let tags = [("Name".to_owned(), name.to_owned())].into_iter().collect();
        let (vpc, cidr, zone) = (self.vpc, block.parse().unwrap(), None);
        let caller = self.stage.caller();
        let create = Ec2Command::CreateSubnet { vpc, cidr, zone, tags };
        match self.stage.run(caller, create) {
            Some(Key::Subnet(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn vpc(&self) -> &Vpc {
        self.stage.world.vpc(self.vpc).unwrap()
    }

    fn owner(&self) -> Seen {
        Seen { viewer: self.stage.account(), ..self.stage.seen() }
    }

    fn reader(&self) -> Seen {
        let viewer = Viewer { read_only: true, ..self.stage.account() };
        Seen { viewer, ..self.stage.seen() }
    }

    fn show(&self, seen: Seen, make: impl Fn(&Context<'_>, &Vpc) -> String) -> String {
        make(&self.stage.context(seen, "/dashboard/vpcs/x"), self.vpc())
    }

    fn table(&self, seen: Seen, did: Option<&Did>) -> String {
        let table = self.stage.world.route_table(self.vpc().main_route_table).unwrap();
        self.show(seen, |of, vpc| table_page(of, vpc, table, did))
    }

    fn join(&self, seen: Seen) -> String {
        let peering = self.stage.world.peering(self.peering).unwrap();
        self.show(seen, |of, vpc| join(of, vpc, peering, Fields::default(), None, None).unwrap())
    }

    fn to_space(&self) -> Edit {
        let route_table = self.vpc().main_route_table;
        let (destination, target) = (self.stage.space().cidr, RouteTo::Peering(self.peering));
        Edit::new(vec![Ec2Command::CreateRoute { route_table, destination, target }]).unwrap()
    }

    fn let_in(&self) -> Edit {
        let rules = self.stage.space().dyno_cidrs().map(|block| RuleSpec {
            traffic: Traffic::Tcp(PortRange { from: 8000, to: 8000 }),
            peer: RulePeerSpec::Cidr(block),
            description: None,
        });
        Edit::new(vec![Ec2Command::AuthorizeSecurityGroup {
            group: self.vpc().default_group,
            direction: Direction::Ingress,
            rules: rules.to_vec(),
            tags: Tags::new(),
        }])
        .unwrap()
    }

    /// Carries a change out, as the server does.
    fn apply(&mut self, edit: &Edit) -> Did {
        let mut done = Vec::new();
        for command in edit.commands() {
            done.push((self.stage.world.clone(), command.clone()));
            let caller = self.stage.caller();
            self.stage.run(caller, command.clone());
        }
        let undo = Edit::undo(done.iter().map(|(world, command)| (world, command.clone())));
        Did::new(edit.clone(), undo, &self.stage.world)
    }

    fn change(&self, seen: Seen, edit: &Edit) -> String {
        let world = &self.stage.world;
        let may_look = |id| seen.viewer.looks_into(world, id);
        let changes = model::preview::preview(
            world,
            self.stage.caller(),
            self.vpc(),
            edit.commands(),
            &may_look,
            self.stage.now,
        );
        let shown = Preview { edit, changes, from: None, refused: None, partly: None };
        self.show(seen, |of, vpc| change(of, vpc, &shown).unwrap())
    }

    /// Every page, for somebody.
    fn pages(&self, seen: Seen) -> Vec<String> {
        let world = &self.stage.world;
        let mut pages = vec![
            self.show(seen, |of, own| vpc(of, own, None).unwrap()),
            self.show(seen, |of, vpc| instances(of, vpc, Begin::default()).unwrap()),
            self.show(seen, |of, vpc| interfaces(of, vpc).unwrap()),
            self.show(seen, |of, vpc| acls(of, vpc).unwrap()),
            self.show(seen, |of, vpc| gateways(of, vpc).unwrap()),
            self.show(seen, |of, vpc| peerings(of, vpc, None).unwrap()),
            self.table(seen, None),
            self.join(seen),
        ];
        for own in world.instances() {
            let wrote = "<script>alert(1)</script>\n";
            pages.push(self.show(seen, |of, vpc| instance(of, vpc, own, wrote).unwrap()));
            pages.push(self.show(seen, |of, vpc| terminate(of, vpc, own, None, "").unwrap()));
        }
        for own in world.groups().filter(|group| group.vpc == self.vpc) {
            pages.push(
                self.show(seen, |of, vpc| {
                    group(of, vpc, own, Fields::default(), None, None).unwrap()
                }),
            );
        }
        pages
    }
}

fn table_page(
    of: &Context<'_>,
    vpc: &Vpc,
    of_vpc: &model::RouteTable,
    did: Option<&Did>,
) -> String {
    table(of, vpc, of_vpc, Fields::default(), None, did).unwrap()
}

/// A page without its commands, whose words have braces of their own.
fn without_commands(page: &str) -> String {
    let mut rest = page;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("<div class=\"cmd\">") {
        kept.push_str(before);
        rest = after.split_once("</div>").expect("a command ends").1;
    }
    kept + rest
}

#[test]
fn every_page_of_a_vpc_is_whole_in_both_languages() {
    let mut lab = Lab::new();
    for step in 0..3 {
        for language in Language::ALL {
            let viewers =
                [lab.stage.account(), lab.reader().viewer, lab.stage.operator(), lab.stage.both()];
            for viewer in viewers {
                let seen = Seen { viewer, language, theme: None };
                let changes = [lab.to_space(), lab.let_in()].map(|edit| lab.change(seen, &edit));
                for page in lab.pages(seen).into_iter().chain(changes) {
                    let page = without_commands(&page);
                    check(&page);
                    assert!(page.contains(&format!("<html lang=\"{}\"", language.code())));
                    assert_eq!(page.matches("<h1").count(), 1, "{page}");
                    assert!(!page.contains("<b>db") && !page.contains("<script>a"), "{page}");
                }
            }
        }
        let edit = if step == 0 { lab.to_space() } else { lab.let_in() };
        if step < 2 {
            lab.apply(&edit);
        }
    }
}

#[test]
fn the_first_page_shows_subnets_tables_and_groups_with_their_numbers() {
    let lab = Lab::new();
    let page = lab.show(lab.owner(), |of, own| vpc(of, own, None).unwrap());
    let default_group = lab.vpc().default_group;
    for shown in [
        "app-a".to_owned(),
        "10.64.1.0/24".to_owned(),
        // 256 addresses, five of which are nobody's, and one that the instance has.
        "<div>250</div>".to_owned(),
        format!("/tables/{}", lab.vpc().main_route_table),
        format!("/groups/{default_group}"),
        "2 interfaces".to_owned(),
        "Edit routes".to_owned(),
        "Edit rules".to_owned(),
        format!("/peerings/{}", lab.peering),
        "Add the return route".to_owned(),
    ] {
        assert!(page.contains(&shown), "{shown} is not in {page}");
    }
}

#[test]
fn who_may_change_nothing_sees_no_form_and_no_button() {
    let lab = Lab::new();
    for viewer in [lab.reader().viewer, lab.stage.operator()] {
        let seen = Seen { viewer, ..lab.owner() };
        for page in lab.pages(seen) {
            for absent in [
                "Edit routes",
                "Edit rules",
                "/change",
                "Remove…",
                "Terminate…",
                "/ask\"",
                "name=\"answer\"",
            ] {
                assert!(!page.contains(absent), "{absent} is in {page}");
            }
            assert!(!page.contains("data-busy"), "{page}");
        }
    }
    assert!(lab.pages(lab.reader())[0].contains("This access key may change nothing"));
    for page in [lab.table(lab.owner(), None), lab.join(lab.owner())] {
        assert!(page.contains("/change"), "{page}");
    }
}

#[test]
fn an_empty_vpc_says_what_to_do_first() {
    let mut stage = Stage::new();
    stage.name_vpc("empty");
    let id = stage.vpcs()[0];
    let own = stage.world.vpc(id).unwrap();
    let seen = Seen { viewer: stage.account(), ..stage.seen() };
    let of = stage.context(seen, "/dashboard/vpcs/x");
    let first = vpc(&of, own, None).unwrap();
    assert!(first.contains("No subnet yet.") && first.contains("create-subnet"), "{first}");
    assert!(first.contains("--cidr-block 10.210.0.0/24"), "{first}");
    assert!(first.contains("No peering yet.") && first.contains("/ask\""), "{first}");
    let page = instances(&of, own, Begin::default()).unwrap();
    assert!(page.contains("No instance yet.") && page.contains("No subnet yet."), "{page}");
    assert!(interfaces(&of, own).unwrap().contains("No interface yet."));
    assert!(gateways(&of, own).unwrap().contains("No internet gateway."));
    let main = stage.world.route_table(own.main_route_table).unwrap();
    let page = table_page(&of, own, main, None);
    assert!(page.contains("There is nothing to route to yet"), "{page}");
}

#[test]
fn a_preview_names_the_command_and_what_starts_to_pass() {
    let mut lab = Lab::new();
    let edit = lab.to_space();
    let page = lab.change(lab.owner(), &edit);
    for shown in [
        format!(
            "data-copy=\"aws ec2 create-route --route-table-id {} --destination-cidr-block \
             10.0.0.0/16 --vpc-peering-connection-id {}\"",
            lab.vpc().main_route_table,
            lab.peering
        ),
        // Pings, and packets of one port, to the dynos of either block.
        "4 flows start to pass".to_owned(),
        "0 flows stop".to_owned(),
        "<span class=\"m\">icmp</span>".to_owned(),
        "<span class=\"m\">tcp 443</span>".to_owned(),
        "dynos in <span class=\"m\">10.0.128.0/20</span>".to_owned(),
        format!("name=\"shown\" value=\"{}\"", edit.state(&lab.stage.world)),
        "Add the route</button>".to_owned(),
    ] {
        assert!(page.contains(&shown), "{shown} is not in {page}");
    }
    assert!(!page.contains("alpha"), "the space is another's: {page}");
    lab.apply(&edit);
    let rule = lab.let_in();
    let page = lab.change(lab.owner(), &rule);
    assert!(page.contains("2 flows start to pass") && page.contains("tcp 8000"), "{page}");
    // What is there already is refused, and cannot be confirmed.
    lab.apply(&rule);
    let page = lab.change(lab.owner(), &rule);
    assert!(page.contains("This cannot be done") && page.contains("already exists"), "{page}");
    assert!(!page.contains("data-busy"), "{page}");
}

#[test]
fn a_change_can_be_undone_as_long_as_nobody_changed_anything_since() {
    let mut lab = Lab::new();
    let edit = lab.to_space();
    let did = lab.apply(&edit);
    let undo = did.undo.clone().unwrap();
    let page = lab.table(lab.owner(), Some(&did));
    assert!(page.contains("is added.") && page.contains("Undo</button>"), "{page}");
    assert!(page.contains(&format!("value=\"{}", undo.write().trim_end())), "{page}");
    assert!(!page.contains("name=\"from\""), "{page}");
    // Where it was asked for on the page of a peering, undoing leads back there.
    let peering = lab.stage.world.peering(lab.peering).unwrap();
    let page = lab.show(lab.owner(), |of, vpc| {
        join(of, vpc, peering, Fields::default(), None, Some(&did)).unwrap()
    });
    assert!(page.contains(&format!("name=\"from\" value=\"{}\"", lab.peering)), "{page}");
    let page = lab.table(lab.reader(), Some(&did));
    assert!(page.contains("is added.") && !page.contains("Undo</button>"), "{page}");
    // Somebody else adds a route to the same table.
    let route_table = lab.vpc().main_route_table;
    let (destination, target) = ("10.9.0.0/16".parse().unwrap(), RouteTo::Peering(lab.peering));
    let other = Ec2Command::CreateRoute { route_table, destination, target };
    let caller = lab.stage.caller();
    lab.stage.run(caller, other);
    let page = lab.table(lab.owner(), Some(&did));
    assert!(!page.contains("Undo</button>"), "{page}");
    assert!(page.contains("It has been changed since"), "{page}");
    // A route to a peering that is gone cannot come back.
    let remove = Edit::new(vec![Ec2Command::DeleteRoute { route_table, destination }]).unwrap();
    let did = lab.apply(&remove);
    assert!(lab.table(lab.owner(), Some(&did)).contains("Undo</button>"));
    let end = Ec2Command::DeletePeering { peering: lab.peering };
    lab.stage.run(caller, end);
    let page = lab.table(lab.owner(), Some(&did));
    assert!(!page.contains("Undo</button>"), "{page}");
}

#[test]
fn what_a_peering_needs_is_told_step_by_step() {
    let mut lab = Lab::new();
    let page = lab.join(lab.owner());
    // The instance in the second subnet follows the second table.
    assert_eq!(page.matches("type=\"checkbox\" name=\"table\"").count(), 2, "{page}");
    assert!(page.contains("value=\"parts\"") && page.contains("10.0.144.0/20"), "{page}");
    assert!(page.contains("From the dyno blocks"), "{page}");
    let fields: Vec<(String, String)> = [
        ("do", "return-route".to_owned()),
        ("peering", lab.peering.to_string()),
        ("to", "parts".to_owned()),
        ("table", lab.vpc().main_route_table.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    let read = |lab: &Lab, fields: &[(String, String)]| {
        let fields = Fields(fields);
        Wish::of(fields).unwrap().read(&lab.stage.world, lab.vpc(), fields)
    };
    let parts = read(&lab, &fields).unwrap();
    assert_eq!(parts.commands().len(), 4, "one for each of the Space CIDRs");
    let mut whole = fields.clone();
    whole[2].1 = "whole".to_owned();
    for table in lab.stage.world.route_tables().filter(|table| table.vpc == lab.vpc) {
        whole.push(("table".to_owned(), table.id.to_string()));
    }
    let whole = read(&lab, &whole).unwrap();
    assert_eq!(whole.commands().len(), 2, "one for each table");
    lab.apply(&whole);
    assert_eq!(read(&lab, &fields), Err(Field::Nothing), "it is there already");
    let page = lab.join(lab.owner());
    assert!(page.contains("in every table that needs it"), "{page}");
    let rule: Vec<(String, String)> = [
        ("do", "let-in".to_owned()),
        ("peering", lab.peering.to_string()),
        ("group", lab.vpc().default_group.to_string()),
        ("protocol", "tcp".to_owned()),
        ("ports", "8000, 9000-9001".to_owned()),
        ("source", "10.0.128.0/20".to_owned()),
        ("source", "10.0.144.0/20".to_owned()),
        // It is none of the space's.
        ("source", "10.9.0.0/16".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    let edit = read(&lab, &rule).unwrap();
    let [Ec2Command::AuthorizeSecurityGroup { rules, .. }] = edit.commands() else { panic!() };
    assert_eq!(rules.len(), 4, "{rules:?}");
    lab.apply(&edit);
    let page = lab.join(lab.owner());
    assert!(page.contains("Both steps are done") && page.contains("tcp 9000-9001"), "{page}");
    let mut wrong = rule;
    wrong[4].1 = "80x".to_owned();
    assert_eq!(read(&lab, &wrong), Err(Field::Ports));
}

#[test]
fn a_peering_that_waits_or_has_ended_has_no_steps() {
    let mut lab = Lab::new();
    let waits = lab.stage.request("10.66.0.0/16");
    let of_other = |lab: &Lab, id: PcxId| {
        let peering = lab.stage.world.peering(id).unwrap();
        let own = lab.stage.world.vpc(peering.requester.vpc).unwrap();
        let of = lab.stage.context(lab.owner(), "/dashboard/vpcs/x");
        join(&of, own, peering, Fields::default(), None, None).unwrap()
    };
    let page = of_other(&lab, waits);
    assert!(page.contains("pending-acceptance") && !page.contains("name=\"do\""), "{page}");
    let caller = lab.stage.caller();
    lab.stage.run(caller, Ec2Command::DeletePeering { peering: lab.peering });
    let gone = Observation {
        vpcs: lab.stage.world.vpcs().map(|vpc| vpc.id).collect(),
        ..Observation::default()
    };
    lab.stage.run(model::Caller::System, SystemCommand::Observe(gone));
    let page = of_other(&lab, lab.peering);
    assert!(page.contains("nothing passes over it any more"), "{page}");
    assert!(!page.contains("name=\"do\""), "{page}");
}
