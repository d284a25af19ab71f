//! Tries steps on a copy of the world, one after the other.

use super::step::{PeerAsk, PeerPlan, PeerSide, PeerStep, StepState};
use crate::reach::{Act, Imagined};
use crate::resource::Vpc;
use crate::{Code, Key, PcxId, Refused, Reply, Timestamp, World};

/// What stands for the id of a peering that is not there yet.
pub(super) const NEW_PEERING: &str = "pcx-…";

/// A step that may be taken.
#[derive(Debug, Clone)]
pub(super) struct Proposed {
    /// The step in words.
    pub what: String,
    /// What it does.
    pub act: Act,
    /// What takes it back.
    pub undo: Option<Act>,
}

/// A plan that is being made.
pub(super) struct Planner<'a> {
    pub ask: &'a PeerAsk<'a>,
    pub now: Timestamp,
    /// The world once the steps so far are done.
    pub world: World,
    pub plan: PeerPlan,
    ids: Imagined,
    /// The peering that an earlier step makes.
    new: Option<PcxId>,
}

/// A world in which a step was taken.
struct Taken {
    world: World,
    reply: Reply,
    state: StepState,
}

impl<'a> Planner<'a> {
    pub(super) fn new(world: &World, ask: &'a PeerAsk<'a>, now: Timestamp) -> Self {
        let plan = PeerPlan::default();
        Self { ask, now, world: world.clone(), plan, ids: Imagined::new(), new: None }
    }

    /// Takes note of something that is as it must be.
    pub(super) fn done(&mut self, side: PeerSide, what: String) {
        let step = PeerStep { what, side, state: StepState::Done, line: None, undo: None };
        if !self.plan.steps.contains(&step) {
            self.plan.steps.push(step);
        }
    }

    /// Takes note of what an owner must do whose things who asks may not look into.
    pub(super) fn for_another(&mut self, side: PeerSide, what: String, line: String, who: &str) {
        let state = StepState::ForAnother(who.to_owned());
        self.plan.steps.push(PeerStep { what, side, state, line: Some(line), undo: None });
    }

    /// Takes a step; false if nobody can.
    pub(super) fn take(&mut self, proposed: Proposed) -> Option<Reply> {
        match self.attempt(&self.world.clone(), &proposed.act) {
            Ok(taken) => Some(self.keep(&proposed, taken)),
            Err(refused) => {
                self.refuse(&proposed, refused.message);
                None
            }
        }
    }

    /// Takes the steps of the first candidate of which all are accepted and `enough` says that they
    /// do; if there is none, those of the first that is accepted. False if nobody can take any.
    pub(super) fn take_first(
        &mut self,
        candidates: &[Vec<Proposed>],
        enough: impl Fn(&World) -> bool,
    ) -> bool {
        let mut accepted = None;
        let mut refusal = None;
        for candidate in candidates {
            match self.attempt_all(candidate) {
                Ok(world) if enough(&world) => {
                    accepted = Some(candidate);
                    break;
                }
                Ok(_) => accepted = accepted.or(Some(candidate)),
                Err((step, why)) => refusal = refusal.or(Some((step, why))),
            }
        }
        match (accepted, refusal) {
            (Some(steps), _) => steps.iter().all(|step| self.take(step.clone()).is_some()),
            (None, Some((step, why))) => {
                self.refuse(&step, why.message);
                false
            }
            (None, None) => true,
        }
    }

    fn attempt_all(&mut self, steps: &[Proposed]) -> Result<World, (Proposed, Refused)> {
        let mut world = self.world.clone();
        for step in steps {
            let taken = self.attempt(&world, &step.act);
            world = taken.map_err(|why| (step.clone(), why))?.world;
        }
        Ok(world)
    }

    /// Tries an act as whoever asks, and then as its owner.
    fn attempt(&mut self, world: &World, act: &Act) -> Result<Taken, Refused> {
        let mut own = None;
        for caller in self.ask.rights.callers(act, world) {
            match act.perform_as(caller, world, self.now, &mut self.ids) {
                Ok((world, reply)) => return Ok(Taken { world, reply, state: StepState::ToDo }),
                Err(refused) => own = Some(refused),
            }
        }
        let gone = || Refused::new(Code::NotFound, "the VPC is gone");
        let owner = act.owner(world).ok_or_else(gone)?;
        let (world, reply) = act.perform_as(owner, world, self.now, &mut self.ids)?;
        let why = own.map_or_else(|| self.owner_in_words(act), |refused| refused.message);
        Ok(Taken { world, reply, state: StepState::ForAnother(why) })
    }

    fn keep(&mut self, proposed: &Proposed, taken: Taken) -> Reply {
        let Taken { world, reply, state } = taken;
        if let Some(Key::Peering(pcx)) = reply.main()
            && self.world.peering(pcx).is_none()
        {
            self.new = Some(pcx);
        }
        let line = |act: &Act| act.line(&world).map(|line| self.readable(act, line));
        let step = PeerStep {
            what: self.named(proposed.what.clone()),
            side: self.side(&proposed.act),
            state,
            line: line(&proposed.act),
            undo: proposed.undo.as_ref().and_then(line),
        };
        self.plan.steps.push(step);
        self.world = world;
        reply
    }

    /// Takes note of a step that nobody can take.
    pub(super) fn refuse(&mut self, proposed: &Proposed, why: String) {
        let line = proposed.act.line(&self.world);
        // What a space is peered with is its owner's business.
        let space_s = matches!(proposed.act, Act::Accept { .. } | Act::Destroy { .. });
        let why = match space_s && !self.ask.owns_space {
            true => "the space cannot accept it as things are; its owner is told why".to_owned(),
            false => why,
        };
        self.plan.steps.push(PeerStep {
            what: self.named(proposed.what.clone()),
            side: self.side(&proposed.act),
            state: StepState::Refused(self.named(why)),
            line: line.map(|line| self.readable(&proposed.act, line)),
            undo: None,
        });
    }

    /// A text without the id of what is not there yet.
    pub(super) fn named(&self, text: String) -> String {
        match self.new {
            Some(pcx) => text.replace(&pcx.to_string(), NEW_PEERING),
            None => text,
        }
    }

    /// A command line without what who asks may not know.
    fn readable(&self, act: &Act, line: String) -> String {
        let line = self.named(line);
        match (act, self.ask.space) {
            (Act::Accept { .. } | Act::Destroy { .. }, Some(space)) if !self.ask.owns_space => {
                line.replace(&format!("--space {}", space.name), "--space SPACE")
            }
            _ => line,
        }
    }

    fn side(&self, act: &Act) -> PeerSide {
        match act {
            Act::Ec2 { of, .. } => self.vpc_side(self.world.vpc(*of).map(|vpc| &**vpc)),
            Act::Accept { .. } | Act::Destroy { .. } | Act::Limit { .. } => PeerSide::Space,
        }
    }

    pub(super) fn vpc_side(&self, vpc: Option<&Vpc>) -> PeerSide {
        PeerSide::Vpc(vpc.map(|vpc| (vpc.account, vpc.region)))
    }

    fn owner_in_words(&self, act: &Act) -> String {
        match act {
            Act::Ec2 { of, .. } => match self.world.vpc(*of).filter(|_| self.ask.owns_vpc) {
                Some(vpc) => format!("it takes an access key of the account {}", vpc.account),
                None => format!("it is for the owner of {of}"),
            },
            Act::Accept { .. } | Act::Destroy { .. } | Act::Limit { .. } => {
                match self.ask.space.filter(|_| self.ask.owns_space) {
                    Some(space) => format!("it is for an admin of the team of {}", space.name),
                    None => format!("it is for the owner of the space {}", self.ask.space_vpc),
                }
            }
        }
    }
}
