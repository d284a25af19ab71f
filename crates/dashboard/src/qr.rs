//! QR codes as pictures within a page.

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};

use crate::markup::{Markup, escaped};

/// The light modules that a reader wants on each side.
const MARGIN: i32 = 4;

/// The QR code of a text, with a name; `None` if the text is too long for one. It is dark on light in
/// every theme, as readers want it.
pub(crate) fn picture(text: &str, name: &str) -> Option<Markup> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let side = code.size() + 2 * MARGIN;
    let name = escaped(name);
    Some(Markup::made(format!(
        r##"<svg class="qr" viewBox="0 0 {side} {side}" role="img" aria-label="{name}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path fill="#000" d="{}"/></svg>"##,
        runs(&code)
    )))
}

/// The dark modules, each run of a row as one rectangle.
fn runs(code: &QrCode) -> String {
    let mut path = String::new();
    for y in 0..code.size() {
        let mut from = None;
        // One more than there are: what is outside is light, and ends the last run.
        for x in 0..=code.size() {
            match (code.get_module(x, y), from) {
                (true, None) => from = Some(x),
                (false, Some(first)) => {
                    let (left, top, wide) = (first + MARGIN, y + MARGIN, x - first);
                    let _ = write!(path, "M{left} {top}h{wide}v1h-{wide}z");
                    from = None;
                }
                _ => {}
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The rectangles are read back into modules.
    #[test]
    fn a_picture_has_every_dark_module_and_no_other() {
        let text = "otpauth://totp/Causeway:a@example.com?secret=ABCDEFGH&issuer=Causeway";
        let code = QrCode::encode_text(text, QrCodeEcc::Low).unwrap();
        let mut dark = BTreeSet::new();
        for rectangle in runs(&code).split('z').filter(|one| !one.is_empty()) {
            let (at, wide) = rectangle.strip_prefix('M').unwrap().split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let (wide, _) = wide.split_once('v').unwrap();
            let [x, y, wide]: [i32; 3] = [x, y, wide].map(|number| number.parse().unwrap());
            for x in x..x + wide {
                assert!(dark.insert((x - MARGIN, y - MARGIN)), "no module is there twice");
            }
        }
        for y in -MARGIN..code.size() + MARGIN {
            for x in -MARGIN..code.size() + MARGIN {
                assert_eq!(dark.contains(&(x, y)), code.get_module(x, y), "{x} {y}");
            }
        }
        let shown = picture(text, "A \"name\"").unwrap().to_string();
        assert!(shown.contains("aria-label=\"A &quot;name&quot;\""), "{shown}");
        assert!(picture(&"x".repeat(5000), "").is_none(), "it is too long");
    }
}
