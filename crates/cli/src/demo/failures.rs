//! On several hosts: where things run, and what goes on when a server or a host is lost.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::cluster::{Cluster, SERVERS};
use super::peering::{APP, Network};
use super::walk::Walk;

/// A web process that serves one more port, which the instance asks.
const CODE: &str = "web: python3 -m http.server 5000 & exec python3 -m http.server $PORT\n";
/// How long it may take until another server leads.
const LEAD: Duration = Duration::from_secs(20);
/// How long it may take until what ran on a lost host runs elsewhere: half a minute of silence, and a start.
const REPLACED: Duration = Duration::from_secs(45);
/// How long requests may go unanswered while what took them is put elsewhere.
const ROUTER_MOVES: Duration = REPLACED;
/// How often is looked.
const LOOK: Duration = Duration::from_millis(200);

impl Walk<'_, '_> {
    /// Shows where everything runs (issue "more than one machine").
    pub(crate) fn placed(&mut self, network: &Network) -> anyhow::Result<()> {
        self.transcript.part("Where it runs")?;
        self.causeway(&["servers"])?;
        self.causeway(&["hosts"])?;
        let (dyno, instance) = (&network.to_instance.from, &network.instance);
        let [at, other] = [self.observer.host_of(dyno)?, self.observer.host_of(instance)?];
        let what = format!("{dyno} is on {at} and {instance} on {other}");
        self.transcript.check(at != other, what)
    }

    /// Kills the server that leads.
    pub(crate) fn lose_a_server(&mut self, network: &Network) -> anyhow::Result<()> {
        self.transcript.part("A server is lost: the one that leads")?;
        let leader = self.leader()?.context("no server leads")?;
        let name = *SERVERS.iter().find(|it| **it == leader).context("an unknown server leads")?;
        self.transcript.line(format_args!("\nkill -9 server {name}"))?;
        self.observer.server.kill(name)?;
        let lost = Instant::now();
        self.transcript.line("\nThe others answer on, and packets pass meanwhile:")?;
        self.aws(&[
            "ec2",
            "create-tags",
            "--resources",
            &network.vpc,
            "--tags",
            "Key=Name,Value=ours",
        ])?;
        let took = seconds(lost.elapsed());
        self.transcript
            .check(true, format_args!("a change is acknowledged {took} after the loss"))?;
        self.packets(&[network.to_instance.passes(), network.to_dyno.passes()])?;
        let next = loop {
            match self.leader()?.filter(|it| *it != leader) {
                Some(next) => break next,
                None if lost.elapsed() > LEAD => bail!("no other server led within {LEAD:?}"),
                None => self.observer.stop.pause(LOOK)?,
            }
        };
        self.causeway(&["servers"])?;
        let took = seconds(lost.elapsed());
        self.transcript.check(true, format_args!("{next} leads, seen {took} after the loss"))
    }

    fn leader(&self) -> anyhow::Result<Option<String>> {
        let servers = self.observer.own(&["servers"])?;
        let mut servers = servers.as_array().into_iter().flatten();
        let leads = servers.find(|server| server["leader"] == true);
        Ok(leads.and_then(|server| server["name"].as_str()).map(ToOwned::to_owned))
    }

    /// Runs the app on two hosts and takes one of them away; what sends and serves from then on is the dyno
    /// that was put elsewhere.
    pub(crate) fn lose_a_host(
        &mut self,
        network: &mut Network,
        cluster: &Cluster,
    ) -> anyhow::Result<()> {
        self.transcript.part("The app, on two hosts")?;
        let code = tempfile::tempdir().context("no directory for the app's code")?;
        fs::write(code.path().join("Procfile"), CODE)
            .context("the app's code cannot be written")?;
        let path = code.path().display().to_string();
        self.causeway(&["deploy", "--app", APP, &path])?;
        self.heroku(&["ps:scale", "web=2", "--app", APP])?;
        let dynos = self.observer.until("two web dynos", || {
            Ok(Some(self.web_dynos()?).filter(|dynos| dynos.len() == 2))
        })?;
        let home = self.observer.host_of(&network.instance)?;
        let mut at = Vec::new();
        for dyno in &dynos {
            at.push((self.observer.host_of(dyno)?, dyno.clone()));
        }
        let apart = at[0].0 != at[1].0;
        self.transcript
            .check(apart, format_args!("web.1 is on {} and web.2 on {}", at[0].0, at[1].0))?;
        let (host, dyno) = at.iter().find(|(host, _)| *host != home).context("all are on one")?;
        let host = host.clone();
        let other = at.iter().find(|(_, it)| it != dyno).map(|(_, it)| it.clone());
        let other = other.context("there is one dyno alone")?;
        let web = self.observer.own(&["apps:info", "--app", APP])?;
        let web = web["web_url"].as_str().and_then(|url| url.strip_prefix("http://"));
        let web = web.context("the app has no address")?.trim_end_matches('/').to_owned();
        let answers = || {
            let asked = |it: &usize| cluster.request(*it, &web, "/", self.observer.stop);
            let all: Vec<_> = cluster.living().iter().map(asked).collect::<Result<_, _>>()?;
            Ok(all.contains(&Some(200)).then_some(()))
        };
        self.observer.until("an answer of the app", answers)?;
        self.transcript.check(true, format_args!("http://{web}/ answers"))?;

        self.transcript.part("A host is lost, with a dyno of the app on it")?;
        self.transcript.line(format_args!("\n{host} loses its power"))?;
        let number = cluster.names().iter().position(|name| *name == host.name);
        cluster.cut_power(number.context("an unknown host")?, &host.id)?;
        let lost = Instant::now();
        let (mut asked, mut failed, mut without) = (0_u32, 0_u32, Duration::ZERO);
        let replaced = loop {
            let began = Instant::now();
            asked += 1;
            if answers()?.is_none() {
                failed += 1;
                without = lost.elapsed();
            }
            let now = self.web_dynos()?;
            let moved =
                now.contains(dyno) && self.observer.host_of(dyno).is_ok_and(|it| it != host);
            if moved {
                break lost.elapsed();
            }
            if lost.elapsed() > REPLACED {
                bail!("{dyno} is not up on another host within {REPLACED:?}");
            }
            self.observer.stop.pause(LOOK.saturating_sub(began.elapsed()))?;
        };
        self.causeway(&["hosts"])?;
        self.causeway(&["ps", "--app", APP])?;
        let now = self.observer.host_of(dyno)?;
        let took = seconds(replaced);
        let what = format!("{dyno} is up on {now} {took} after {host} was lost");
        self.transcript.check(now != host, what)?;
        let answered = asked - failed;
        let what = match failed {
            0 => format!("the app answered all of {asked} requests meanwhile, from {other}"),
            _ => format!(
                "the app answered {answered} of {asked} requests meanwhile; the last without an answer {} after the loss",
                seconds(without)
            ),
        };
        self.transcript.check(without < ROUTER_MOVES, what)?;

        // From now on it is the new dyno that sends to the instance and answers it.
        network.to_instance.from.clone_from(dyno);
        network.to_dyno.to.clone_from(dyno);
        network.to_dyno.address = self.observer.address_of(dyno)?;
        self.observer.listening(dyno, &network.to_dyno.address, network.to_dyno.port)?;
        self.transcript.line("\nThe dyno in its place sends and answers as the lost one did:")?;
        self.packets(&[network.to_instance.passes(), network.to_dyno.passes()])
    }

    /// The web dynos that are up.
    fn web_dynos(&self) -> anyhow::Result<Vec<String>> {
        let dynos = self.observer.own(&["ps", "--app", APP])?;
        let dynos = dynos.as_array().cloned().unwrap_or_default();
        let up = dynos.iter().filter(|dyno| dyno["type"] == "web" && dyno["state"] == "up");
        Ok(up.filter_map(|dyno| Some(format!("{APP}/{}", dyno["name"].as_str()?))).collect())
    }
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}
