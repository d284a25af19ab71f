//! Second factors.

use std::fmt::Write;

use hyper::Method;
use qrcodegen::{QrCode, QrCodeEcc};
use serde_json::{Value, json};

use super::confirm::confirm;
use super::print::{say, show};
use crate::arguments::Common;
use crate::arguments::two_factor::TwoFactor;
use crate::client::{As, segment};
use crate::output::Out;
use crate::password;

const PATH: &str = "/account/two-factor";

/// Does what a command about second factors says.
///
/// # Errors
///
/// What the server refused, and a code that cannot be read.
pub(super) fn run(command: TwoFactor, out: &mut Out) -> anyhow::Result<()> {
    match command {
        TwoFactor::Show(common) => {
            let state = common.connection.client(As::User)?.get(PATH)?;
            say(&common, out, &state, &told(&state));
            Ok(())
        }
        TwoFactor::Enable { no_qr, common } => enable(no_qr, &common, out),
        TwoFactor::Disable(common) => {
            let client = common.connection.client(As::User)?;
            let body = json!({ "code": password::code()? });
            let state = client.post(&format!("{PATH}/actions/disable"), &body)?;
            say(&common, out, &state, "Your password is enough again.");
            Ok(())
        }
        TwoFactor::RecoveryCodes(common) => {
            let client = common.connection.client(As::User)?;
            let body = json!({ "code": password::code()? });
            let state = client.post(&format!("{PATH}/recovery-codes"), &body)?;
            say(&common, out, &state, &codes(&state));
            Ok(())
        }
        TwoFactor::Team { team, demand, no_demand: _, common } => {
            let client = common.connection.client(As::User)?;
            let path = format!("/teams/{}/two-factor", segment(&team));
            let set = client.send(Method::PUT, &path, Some(&json!({ "demanded": demand })))?.body;
            let text = match demand {
                true => format!("The members of {team} must have a second factor."),
                false => format!("The members of {team} need no second factor."),
            };
            say(&common, out, &set, &text);
            Ok(())
        }
        TwoFactor::UserDisable { email, confirm: given, common } => {
            let warning = format!("After this the password of {email} is enough to sign in.");
            confirm(&warning, &email, given.as_deref(), out)?;
            let client = common.connection.client(As::Operator)?;
            let path = format!("/_causeway/users/{}/two-factor", segment(&email));
            let gone = client.delete(&path)?;
            let text = match gone["was_enabled"].as_bool() {
                Some(true) => format!("{email} signs in with the password alone."),
                _ => format!("{email} had no second factor."),
            };
            say(&common, out, &gone, &text);
            Ok(())
        }
    }
}

fn told(state: &Value) -> String {
    let mut text = match state["enabled"].as_bool() {
        Some(true) => format!(
            "Two-factor authentication is enabled. {} recovery codes are left.",
            show(&state["recovery_codes_left"])
        ),
        _ => "Two-factor authentication is not enabled. Next: causeway 2fa:enable".to_owned(),
    };
    for team in state["demanded_by"].as_array().into_iter().flatten() {
        let _ = write!(text, "\nThe team {} demands it.", show(team));
    }
    text
}

/// Offers a secret, and enables it once its first code was typed. The secret goes to standard error, so
/// that what is kept of the output are the recovery codes.
fn enable(no_qr: bool, common: &Common, out: &mut Out) -> anyhow::Result<()> {
    let client = common.connection.client(As::User)?;
    let offered = client.post(&format!("{PATH}/actions/enrol"), &json!({}))?;
    let (secret, url) = (show(&offered["secret"]), show(&offered["url"]));
    let mut text = String::new();
    if !no_qr
        && !common.json
        && let Ok(code) = QrCode::encode_text(&url, QrCodeEcc::Low)
    {
        text.push_str(&drawn(&code));
    }
    let _ =
        write!(text, "Scan this with an authenticator app, or type the secret: {secret}\n{url}");
    anstream::eprintln!("{text}");
    let body = json!({ "enrolment": offered["enrolment"], "code": password::code()? });
    let enabled = client.send(Method::PUT, PATH, Some(&body))?.body;
    say(common, out, &enabled, &codes(&enabled));
    Ok(())
}

fn codes(state: &Value) -> String {
    let mut text =
        "# Your recovery codes. Each is good once in place of a code; they are shown once."
            .to_owned();
    for code in state["recovery_codes"].as_array().into_iter().flatten() {
        let _ = write!(text, "\n{}", show(code));
    }
    text
}

/// A QR code in half blocks, two rows to a line, dark on light whatever the terminal's colours are: a reader
/// wants the light margin too.
fn drawn(code: &QrCode) -> String {
    const MARGIN: i32 = 2;
    let (from, to) = (-MARGIN, code.size() + MARGIN);
    let mut text = String::new();
    for y in (from..to).step_by(2) {
        text.push_str("\x1b[30;107m");
        for x in from..to {
            text.push(match (code.get_module(x, y), code.get_module(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        text.push_str("\x1b[0m\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks are read back into modules.
    #[test]
    fn a_drawn_code_has_every_module_and_a_margin() {
        let code = QrCode::encode_text("otpauth://totp/a?secret=B", QrCodeEcc::Low).unwrap();
        let text = drawn(&code);
        let mut rows: Vec<Vec<bool>> = Vec::new();
        for line in text.lines() {
            let line = line.strip_prefix("\x1b[30;107m").unwrap().strip_suffix("\x1b[0m").unwrap();
            rows.push(line.chars().map(|c| "█▀".contains(c)).collect());
            rows.push(line.chars().map(|c| "█▄".contains(c)).collect());
        }
        let size = usize::try_from(code.size()).unwrap();
        assert!(rows.iter().all(|row| row.len() == size + 4));
        assert!(rows.len() >= size + 4);
        for (y, row) in rows.iter().enumerate() {
            for (x, dark) in row.iter().enumerate() {
                let (x, y) = (i32::try_from(x).unwrap() - 2, i32::try_from(y).unwrap() - 2);
                assert_eq!(*dark, code.get_module(x, y), "{x} {y}");
            }
        }
    }

    #[test]
    fn it_is_said_what_there_is_and_what_to_do() {
        let state = json!({
            "enabled": false, "recovery_codes_left": 0, "demanded_by": ["web"],
        });
        let text = told(&state);
        assert!(text.contains("causeway 2fa:enable") && text.ends_with("The team web demands it."));
        let state = json!({ "enabled": true, "recovery_codes_left": 9, "demanded_by": [] });
        assert!(told(&state).contains("9 recovery codes"), "{}", told(&state));
    }
}
