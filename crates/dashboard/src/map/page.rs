//! The pages of the map and of the matrix.

use askama::Template;

use super::asked::Asked;
use super::links;
use super::matrix::Matrix;
use super::scene::Map;
use crate::answer::{Answer, Extent, answer};
use crate::context::Context;
use crate::markup::Markup;
use crate::question::{Protocol, Question};
use crate::shell::Shell;

#[derive(Template)]
#[template(path = "map.html")]
struct MapPage<'a> {
    shell: Shell<'a>,
    summary: String,
    map: Markup,
    attention: Option<Markup>,
    pane: Option<Pane>,
}

/// What is asked of two ends beside the map.
struct Pane {
    question: Question,
    swap: String,
    clear: String,
    action: &'static str,
    /// What the form sends besides.
    hidden: Vec<(&'static str, String)>,
    protocols: Vec<(&'static str, bool)>,
    port: String,
    answer: Option<Answer>,
}

/// The map, as far as the viewer sees it.
pub fn map(of: &Context<'_>, asked: &Asked) -> askama::Result<String> {
    let map = Map::of(of.world, of.viewer, asked, of.now);
    let pane = pane(of, asked);
    let attention = pane.is_none().then(|| map.attention(of.language));
    MapPage {
        shell: Shell::new(of, of.texts().map.map.into()),
        summary: map.summary(of.language),
        map: Markup::made(map.html(asked, of.language)),
        attention: attention.filter(|list| !list.is_empty()).map(Markup::made),
        pane,
    }
    .render()
}

/// Beside the map: what becomes of packets between two ends that are chosen.
fn pane(of: &Context<'_>, asked: &Asked) -> Option<Pane> {
    let question = asked.question()?;
    let flow = question.flow(of).ok();
    Some(Pane {
        answer: flow.map(|flow| answer(of, &question, &flow, Extent::Reached)),
        swap: links::map(&asked.swapped()),
        clear: links::map(&asked.without_ends()),
        action: crate::paths::MAP,
        hidden: asked.of_map().fields(&["protocol", "port"]),
        protocols: Protocol::ALL
            .into_iter()
            .map(|protocol| (protocol.name(), protocol == question.protocol))
            .collect(),
        port: question.port.map(|port| port.to_string()).unwrap_or_default(),
        question,
    })
}

#[derive(Template)]
#[template(path = "matrix.html")]
struct MatrixPage<'a> {
    shell: Shell<'a>,
    matrix: Markup,
}

/// The matrix, as far as the viewer sees it.
pub fn matrix(of: &Context<'_>, asked: &Asked) -> askama::Result<String> {
    let matrix = Matrix::of(of.world, of.viewer, asked, of.now);
    MatrixPage {
        shell: Shell::new(of, of.texts().map.matrix.into()),
        matrix: Markup::made(matrix.html(asked, of.language)),
    }
    .render()
}
