//! Takes the steps of a plan one at a time, with a new plan after each, so that what others change
//! meanwhile is seen; and takes back what was done where one fails.

use anyhow::anyhow;
use api::{PeerPlan, PeerState, PeerStep};

/// What stands in a command line for the id of a peering that is not there yet.
const NEW_PEERING: &str = "pcx-…";
/// More steps than a plan has, so that this ends whatever the server says.
const MOST_STEPS: usize = 500;

/// Makes plans and gives commands.
pub(super) trait Hands {
    /// What is to be done as things are.
    fn plan(&self) -> anyhow::Result<PeerPlan>;
    /// Gives a command; with the account of the VPC that it is about.
    fn give(&self, line: &str, account: Option<&str>) -> anyhow::Result<()>;
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The steps, in their order.
    pub(super) steps: Vec<PeerStep>,
}

/// Why not everything was done.
#[derive(Debug)]
pub(super) struct Unfinished {
    /// What failed.
    pub(super) why: anyhow::Error,
    /// The command lines that would take back what could not be taken back.
    pub(super) left: Vec<String>,
}

/// Does what is to be done, until nothing is. `say` hears each command before it is given.
///
/// # Errors
///
/// A step fails, or comes to be impossible. What was done before is taken back then, as far as that
/// can be.
pub(super) fn carry_out(
    hands: &impl Hands,
    say: &mut impl FnMut(String),
) -> Result<Done, Unfinished> {
    let mut done = Done::default();
    let mut peering = None;
    match steps(hands, say, &mut done, &mut peering) {
        Ok(()) => Ok(done),
        Err(why) => {
            let left = take_back(hands, say, &done, peering.as_deref());
            Err(Unfinished { why, left })
        }
    }
}

fn steps(
    hands: &impl Hands,
    say: &mut impl FnMut(String),
    done: &mut Done,
    peering: &mut Option<String>,
) -> anyhow::Result<()> {
    while done.steps.len() < MOST_STEPS {
        let plan = hands.plan()?;
        *peering = plan.peering.as_ref().map(|peering| peering.id.to_string()).or(peering.take());
        if let Some(step) = plan.steps.iter().find(|step| step.state == PeerState::Refused) {
            let why = step.reason.as_deref().unwrap_or("it is refused");
            return Err(anyhow!("{}: {why}", step.what));
        }
        let Some((step, line)) = next(&plan) else { return Ok(()) };
        if done.steps.last().and_then(|last| last.command.as_deref()) == Some(&*line) {
            // A request for a peering is answered with success, whatever becomes of it.
            return Err(anyhow!(
                "`{line}` was accepted, and nothing came of it: an id is wrong, or the blocks overlap"
            ));
        }
        say(format!("$ {line}"));
        if let Err(error) = hands.give(&line, step.account.as_deref()) {
            // It may have been done nevertheless, and only its answer be lost.
            let again = hands.plan().ok();
            let is_done = again.as_ref().is_some_and(|plan| {
                let still = |other: &PeerStep| other.command.as_deref() == Some(&*line);
                !plan.steps.iter().any(still)
            });
            if !is_done {
                return Err(error);
            }
        }
        done.steps.push(step);
    }
    Err(anyhow!("there is no end to what is to be done"))
}

/// The first step that is to be done.
fn next(plan: &PeerPlan) -> Option<(PeerStep, String)> {
    let step = plan.steps.iter().find(|step| step.state == PeerState::ToDo)?;
    Some((step.clone(), step.command.clone()?))
}

/// Takes steps back, the last one first. What could not be.
fn take_back(
    hands: &impl Hands,
    say: &mut impl FnMut(String),
    done: &Done,
    peering: Option<&str>,
) -> Vec<String> {
    let mut left = Vec::new();
    for step in done.steps.iter().rev() {
        let Some(line) = undo_of(step, peering) else { continue };
        say(format!("$ {line}"));
        if let Err(error) = hands.give(&line, step.account.as_deref()) {
            say(format!("  {error:#}"));
            left.push(line);
        }
    }
    left
}

/// The command line that takes a step back.
fn undo_of(step: &PeerStep, peering: Option<&str>) -> Option<String> {
    if let Some(line) = &step.undo {
        return match (line.contains(NEW_PEERING), peering) {
            (false, _) => Some(line.clone()),
            (true, Some(pcx)) => Some(line.replace(NEW_PEERING, pcx)),
            (true, None) => None,
        };
    }
    let made = step.command.as_deref()?.starts_with("aws ec2 create-vpc-peering-connection ");
    let region =
        step.region.filter(|_| step.command.as_deref().is_some_and(|c| c.contains("--region")));
    let region = region.map_or_else(String::new, |region| format!(" --region {region}"));
    made.then_some(peering).flatten().map(|pcx| {
        format!("aws ec2 delete-vpc-peering-connection --vpc-peering-connection-id {pcx}{region}")
    })
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use api::{LivePeering, PeerSide};

    use super::*;

    /// Four steps, which are done in order, and whose undoing lines are given in the opposite one.
    #[derive(Default)]
    struct Fake {
        /// How many are done.
        done: Cell<usize>,
        given: RefCell<Vec<String>>,
        /// The step whose command fails.
        fails: Option<usize>,
        /// Whether it takes effect nevertheless.
        lost: bool,
        /// The step that comes to be refused once the ones before it are done.
        refused: Option<usize>,
        /// Whether commands that undo fail.
        stuck: bool,
        /// Whether no command changes anything.
        idle: bool,
    }

    const LINES: [&str; 4] = [
        "aws ec2 create-vpc-peering-connection --vpc-id vpc-1",
        "heroku spaces:peerings:accept pcx-00000000000000001 --space blue",
        "aws ec2 create-route 1",
        "aws ec2 authorize 1",
    ];

    impl Hands for Fake {
        fn plan(&self) -> anyhow::Result<PeerPlan> {
            let done = self.done.get();
            let step = |(n, line): (usize, &&str)| PeerStep {
                what: format!("step {n}"),
                side: if n == 1 { PeerSide::Space } else { PeerSide::Vpc },
                account: (n != 1).then(|| "111111111111".to_owned()),
                region: None,
                state: match n {
                    n if n < done => PeerState::Done,
                    n if Some(n) == self.refused && done == n => PeerState::Refused,
                    _ => PeerState::ToDo,
                },
                reason: (Some(n) == self.refused).then(|| "no more rules".to_owned()),
                command: (n >= done).then(|| (*line).to_owned()),
                undo: (n >= 2).then(|| format!("undo {n} pcx-…")),
            };
            let id = "pcx-00000000000000001".parse().unwrap();
            Ok(PeerPlan {
                space: None,
                space_vpc: "vpc-00000000000000001".parse().unwrap(),
                vpc: "vpc-00000000000000002".parse().unwrap(),
                peering: (done > 0).then(|| LivePeering { id, status: "active".to_owned() }),
                steps: LINES.iter().enumerate().map(step).collect(),
                obstacles: Vec::new(),
                trials: Vec::new(),
                notes: Vec::new(),
            })
        }

        fn give(&self, line: &str, account: Option<&str>) -> anyhow::Result<()> {
            self.given.borrow_mut().push(line.to_owned());
            let Some(n) = LINES.iter().position(|other| *other == line) else {
                assert_eq!(account, Some("111111111111"), "{line}");
                return if self.stuck { Err(anyhow!("stuck")) } else { Ok(()) };
            };
            let fails = self.fails == Some(n);
            if !self.idle && (!fails || self.lost) {
                self.done.set(n + 1);
            }
            if fails { Err(anyhow!("the line broke")) } else { Ok(()) }
        }
    }

    fn run(fake: &Fake) -> Result<Done, Unfinished> {
        let mut said = Vec::new();
        let outcome = carry_out(fake, &mut |text| said.push(text));
        let given = fake.given.borrow();
        let told: Vec<&str> = said.iter().filter_map(|text| text.strip_prefix("$ ")).collect();
        assert_eq!(told, given.iter().map(String::as_str).collect::<Vec<_>>(), "all is said");
        outcome
    }

    #[test]
    fn steps_are_taken_until_none_is_left() {
        let fake = Fake::default();
        assert_eq!(run(&fake).unwrap().steps.len(), LINES.len());
        assert_eq!(*fake.given.borrow(), LINES);
        assert!(run(&Fake { done: Cell::new(4), ..Fake::default() }).unwrap().steps.is_empty());
    }

    #[test]
    fn where_one_fails_those_before_it_are_taken_back_last_first() {
        let delete = "aws ec2 delete-vpc-peering-connection --vpc-peering-connection-id \
                      pcx-00000000000000001";
        let undone = [delete, "undo 2 pcx-00000000000000001"];
        for (step, expected) in
            [(0, &undone[..0]), (1, &undone[..1]), (2, &undone[..1]), (3, &undone)]
        {
            for refused in [false, true] {
                let at = Some(step);
                let fake = match refused {
                    true => Fake { refused: at, ..Fake::default() },
                    false => Fake { fails: at, ..Fake::default() },
                };
                let unfinished = run(&fake).unwrap_err();
                assert!(unfinished.left.is_empty());
                let words = if refused { "no more rules" } else { "the line broke" };
                assert!(unfinished.why.to_string().contains(words), "{:#}", unfinished.why);
                let given = fake.given.borrow();
                let mut back: Vec<&str> =
                    given[step + usize::from(!refused)..].iter().map(String::as_str).collect();
                back.reverse();
                assert_eq!(back, expected, "{step}");
            }
        }
    }

    #[test]
    fn what_was_done_though_its_answer_was_lost_is_no_failure() {
        for step in 0..LINES.len() {
            let fake = Fake { fails: Some(step), lost: true, ..Fake::default() };
            assert_eq!(run(&fake).unwrap().steps.len(), LINES.len(), "{step}");
        }
    }

    #[test]
    fn what_cannot_be_taken_back_is_said() {
        let fake = Fake { fails: Some(3), stuck: true, ..Fake::default() };
        let unfinished = run(&fake).unwrap_err();
        assert_eq!(unfinished.left.len(), 2, "{:?}", unfinished.left);
    }

    #[test]
    fn a_command_of_which_nothing_comes_is_given_once() {
        let fake = Fake { idle: true, ..Fake::default() };
        let unfinished = run(&fake).unwrap_err();
        assert!(unfinished.why.to_string().contains("nothing came of it"), "{:#}", unfinished.why);
        assert_eq!(fake.given.borrow().len(), 1);
    }
}
