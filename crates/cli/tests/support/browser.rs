//! A real browser: Debian's Chromium, driven by Playwright.
//!
//! `tests/tools/browser/driver.cjs` does what is asked here, line by line. Everything waits for a sign of what
//! it wants, and nothing for a time.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::{Server, tool};

/// A browser, which ends with this.
pub struct Browser {
    driver: Child,
    pipe: RefCell<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    people: RefCell<Vec<String>>,
}

impl Browser {
    /// Starts one.
    pub fn start() -> Self {
        let program =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tools/browser/driver.cjs");
        let mut driver = Command::new(tool("CAUSEWAY_TEST_BROWSER", "browser"))
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = (driver.stdin.take().unwrap(), BufReader::new(driver.stdout.take().unwrap()));
        Self { driver, pipe: RefCell::new(Some(pipe)), people: RefCell::default() }
    }

    /// Somebody who looks at a server, with cookies of their own.
    pub fn person(&self, server: &Server, name: &str) -> Person<'_> {
        self.person_with(server, name, json!({}))
    }

    /// The same, with further options of Playwright's `newContext`.
    pub fn person_with(&self, server: &Server, name: &str, mut options: Value) -> Person<'_> {
        options["baseURL"] = json!(server.url);
        self.ask(&json!({ "person": name, "options": options }));
        self.people.borrow_mut().push(name.to_owned());
        Person { browser: self, name: name.to_owned() }
    }

    #[track_caller]
    fn ask(&self, request: &Value) -> Value {
        let mut pipe = self.pipe.borrow_mut();
        let (to, from) = pipe.as_mut().unwrap();
        writeln!(to, "{request}").unwrap();
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        match answer.get("error") {
            Some(error) => panic!("{}", error.as_str().unwrap_or_default()),
            None => answer["ok"].clone(),
        }
    }

    /// Ends it. No page may have had an error, broken its policy, or asked anybody but the server.
    #[track_caller]
    pub fn end(self) {
        for name in self.people.borrow().iter() {
            let faults = self.ask(&json!({ "faults": name }));
            assert_eq!(faults, json!([]), "in the browser of {name}");
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its input.
        *self.pipe.borrow_mut() = None;
        let _ = self.driver.wait();
    }
}

/// Somebody with a page open.
pub struct Person<'a> {
    browser: &'a Browser,
    name: String,
}

impl Person<'_> {
    /// Runs code of Playwright's.
    #[track_caller]
    pub fn run(&self, code: &str, args: Value) -> Value {
        self.browser.ask(&json!({ "as": self.name, "run": code, "args": args }))
    }

    /// Opens a page of the dashboard.
    #[track_caller]
    pub fn open(&self, path: &str) {
        self.run("await page.goto(args)", json!(path));
    }

    /// Signs in with a token, in English.
    #[track_caller]
    pub fn sign_in(&self, token: &str) {
        self.enter_token(token);
        self.see_heading("What waits for you");
    }

    /// Signs in with an access key, in English.
    #[track_caller]
    pub fn sign_in_by_key(&self, id: &str, secret: &str) {
        self.enter_key(id, secret);
        self.see_heading("What waits for you");
    }

    /// Signs in with a token, in any language, or adds it to the session.
    #[track_caller]
    pub fn enter_token(&self, token: &str) {
        self.open("/dashboard/sign-in");
        let code = "await page.locator('input[name=token]').fill(args)";
        self.run(code, json!(token));
        self.send_and_enter();
    }

    /// Signs in with an access key, in any language, or adds it to the session.
    #[track_caller]
    pub fn enter_key(&self, id: &str, secret: &str) {
        self.open("/dashboard/sign-in?with=access-key");
        let code = "await page.locator('input[name=key]').fill(args[0]); \
                    await page.locator('input[type=password]').fill(args[1])";
        self.run(code, json!([id, secret]));
        self.send_and_enter();
    }

    /// Signs in with the token of somebody who has yet to enable a second factor, in any language.
    #[track_caller]
    pub fn enter_to_enrol(&self, token: &str) {
        self.open("/dashboard/sign-in");
        let code = "await page.locator('input[name=token]').fill(args); \
                    await page.locator('button.p').click(); \
                    await page.locator('svg.qr').waitFor()";
        self.run(code, json!(token));
    }

    /// Enables a second factor on its page, in any language; its secret.
    #[track_caller]
    pub fn enable_second_factor(&self, server: &Server) -> String {
        let read = "return page.locator('[data-copy]').first().getAttribute('data-copy')";
        let secret = self.run(read, json!(null)).as_str().unwrap().to_owned();
        let code = super::second_factor::code(server, &secret, 0);
        let send = "await page.locator('#c').fill(args); \
                    await page.locator('button[value=enable]').click(); \
                    await page.locator('.codes').waitFor()";
        self.run(send, json!(code));
        secret
    }

    #[track_caller]
    fn send_and_enter(&self) {
        let code = "await page.locator('button.p').click(); \
                    await page.waitForURL((url) => url.pathname === '/dashboard')";
        self.run(code, json!(null));
    }

    /// Types into the field with a label, in place of what is in it.
    #[track_caller]
    pub fn fill(&self, label: &str, text: &str) {
        self.run(
            "await page.getByLabel(args[0], { exact: true }).fill(args[1])",
            json!([label, text]),
        );
    }

    /// Presses a button.
    #[track_caller]
    pub fn press_button(&self, name: &str) {
        let code = "await page.getByRole('button', { name: args, exact: true }).click()";
        self.run(code, json!(name));
    }

    /// Follows a link. A page may have the same one twice.
    #[track_caller]
    pub fn follow(&self, name: &str) {
        let code = "await page.getByRole('link', { name: args, exact: true }).first().click()";
        self.run(code, json!(name));
    }

    /// Waits until the page has a heading.
    #[track_caller]
    pub fn see_heading(&self, name: &str) {
        self.run("await page.getByRole('heading', { name: args }).first().waitFor()", json!(name));
    }

    /// Waits until a text is there to be seen.
    #[track_caller]
    pub fn see(&self, text: &str) {
        let code = "await page.getByText(args).filter({ visible: true }).first().waitFor()";
        self.run(code, json!(text));
    }

    /// Waits until the row that has one text has another one too.
    #[track_caller]
    pub fn see_in_row(&self, of: &str, text: &str) {
        let code = "await page.getByRole('row').filter({ hasText: args[0] }) \
                    .filter({ hasText: args[1] }).first().waitFor()";
        self.run(code, json!([of, text]));
    }

    /// Waits until an item of a list that has a text has another one, too.
    #[track_caller]
    pub fn see_in_item(&self, of: &str, text: &str) {
        let code = "await page.getByRole('listitem').filter({ hasText: args[0] }) \
                    .filter({ hasText: args[1] }).first().waitFor()";
        self.run(code, json!([of, text]));
    }

    /// The names of the buttons and links that one can act by in the content of the page.
    #[track_caller]
    pub fn actions(&self) -> Vec<String> {
        let code = "return page.locator('main button, main a.b').filter({ visible: true }) \
                    .evaluateAll((all) => all.map((one) => one.getAttribute('aria-label') \
                    ?? one.textContent.trim()))";
        let names = self.run(code, json!(null));
        let names = names.as_array().unwrap().iter();
        names.map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// Has a command wait to be logged in, as the real client begins it; the path of the page that asks.
    #[track_caller]
    pub fn begin_log_in(&self) -> String {
        let code = "const begun = await context.request.post('/auth', { data: { description: args } }); \
                    return new URL((await begun.json()).browser_url, begun.url()).pathname";
        let path = self.run(code, json!("Heroku CLI login from laptop"));
        path.as_str().unwrap().to_owned()
    }

    /// Posts a form that no button of the page sends, with the fields that its forms have; the status.
    #[track_caller]
    pub fn post(&self, path: &str, fields: Value) -> u64 {
        let code = "return page.evaluate(async ([path, fields]) => { \
                      const form = document.querySelector('input[name=form]').value; \
                      const body = new URLSearchParams({ form, ...fields }); \
                      return (await fetch(path, { method: 'POST', body })).status; \
                    }, args)";
        self.run(code, json!([path, fields])).as_u64().unwrap()
    }

    /// The path of the page.
    #[track_caller]
    pub fn path(&self) -> String {
        self.run("return new URL(page.url()).pathname", json!(null)).as_str().unwrap().to_owned()
    }

    /// Everything that was asked of the server so far: method, address and body of each request.
    #[track_caller]
    pub fn requests(&self) -> Vec<Value> {
        self.run("return requests", json!(null)).as_array().unwrap().clone()
    }
}
