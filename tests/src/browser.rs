//! A real browser for a test: Chromium without a window, and what it sees of a page.

use std::{fmt, fs, path::Path, process::Command, time::Duration};

use fantoccini::{
    Client, ClientBuilder, Locator,
    elements::Element,
    key::Key,
    wd::{Capabilities, WebDriverCompatibleCommand},
};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use url::{ParseError, Url};

use crate::{
    a_moment,
    daemon::{self, Daemon},
};

/// A browser of one test. It ends with the test.
pub struct Browser {
    client: Client,
    // The browser ends when it loses its driver.
    _driver: Daemon,
}

/// What somebody looks at pages with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// A phone, else a window on a desk.
    pub is_phone: bool,
    /// Whether dark pages are asked for.
    pub is_dark: bool,
    /// Whether pages may run no script.
    pub has_no_script: bool,
}

impl Browser {
    /// A window on a desk.
    pub async fn start() -> Self {
        Self::looking(Look::default()).await
    }

    /// Starts the driver and its browser.
    pub async fn looking(look: Look) -> Self {
        let folder = TempDir::with_prefix("idem-browser-").unwrap().keep();
        let (log, data) = (folder.join("log"), folder.join("data"));
        fs::create_dir(&data).unwrap();
        let port = daemon::free_ports(1);
        let mut program = Command::new("chromedriver");
        program.arg(format!("--port={port}"));
        let driver = Daemon::start(&program, &log, &data);
        let url = format!("http://127.0.0.1:{port}");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(look, &data.join("profile")));
        let client = daemon::answer(&log, async || builder.connect(&url).await).await;
        if look.is_dark {
            let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
            let dark = DevTools("Emulation.setEmulatedMedia", dark);
            client.issue_cmd(dark).await.unwrap();
        }
        Self {
            client,
            _driver: driver,
        }
    }

    /// Opens a page, and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// The address of the page.
    pub async fn address(&self) -> Url {
        self.client.current_url().await.unwrap()
    }

    /// The first element of this CSS selector.
    pub async fn find(&self, css: &str) -> Element {
        let found = self.client.find(Locator::Css(css)).await;
        found.unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    /// The text of the first element of this selector, as a person sees it.
    pub async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap()
    }

    /// Waits until the element has this text.
    pub async fn sees(&self, css: &str, text: &str) {
        self.sees_that(css, |seen| seen == text, text).await;
    }

    /// Waits until the element's text contains this one.
    pub async fn sees_in(&self, css: &str, text: &str) {
        self.sees_that(css, |seen| seen.contains(text), text).await;
    }

    /// Waits until the page has no such element.
    pub async fn sees_nothing(&self, css: &str) {
        let look = async {
            while self.client.find(Locator::Css(css)).await.is_ok() {
                a_moment().await;
            }
        };
        let gone = timeout(PATIENCE, look).await;
        assert!(gone.is_ok(), "{css} stays");
    }

    async fn sees_that(&self, css: &str, is_it: impl Fn(&str) -> bool, text: &str) {
        let mut last = String::new();
        let look = async {
            loop {
                // A page that is loaded anew, or changes, may take away what was just found.
                if let Ok(element) = self.client.find(Locator::Css(css)).await
                    && let Ok(seen) = element.text().await
                {
                    last = seen;
                    if is_it(&last) {
                        return;
                    }
                }
                a_moment().await;
            }
        };
        let seen = timeout(PATIENCE, look).await;
        assert!(seen.is_ok(), "{css} is {last:?}, not {text:?}");
    }

    /// Presses the button with this name, or follows the link.
    pub async fn press(&self, name: &str) {
        let button =
            format!("//button[normalize-space()='{name}'] | //a[normalize-space()='{name}']");
        let found = self.client.find(Locator::XPath(&button)).await;
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        found.click().await.unwrap();
    }

    /// Presses a key where the focus is.
    pub async fn key(&self, key: Key) {
        let focused = self.client.active_element().await.unwrap();
        focused.send_keys(&key.to_string()).await.unwrap();
    }

    /// Runs a script, and returns its value.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Runs a script that calls its first argument with its value.
    pub async fn wait_for(&self, script: &str) -> Value {
        self.client.execute_async(script, Vec::new()).await.unwrap()
    }

    /// What keeps people from using the page, by the rules of axe-core: a line for each, none if all is well.
    ///
    /// What it cannot decide counts as well, except for the colour of texts in pictures: it does not see what is behind.
    pub async fn obstacles(&self) -> Vec<String> {
        let axe = concat!(env!("CARGO_MANIFEST_DIR"), "/axe");
        let axe = Command::new("bash").arg(axe).output().unwrap();
        let errors = String::from_utf8_lossy(&axe.stderr);
        assert!(axe.status.success(), "axe-core cannot be had: {errors}");
        let path = String::from_utf8(axe.stdout).unwrap();
        self.run(&fs::read_to_string(path.trim()).unwrap()).await;
        let look = "const [done] = arguments; axe.run().then(found => done({ \
            passes: found.passes.length, \
            lines: [...found.violations, ...found.incomplete].flatMap(rule => rule.nodes \
                .filter(node => found.violations.includes(rule) || !node.html.startsWith('<text ')) \
                .map(node => `${rule.id}: ${node.html}: ${node.failureSummary}`)) \
        }), error => done({ passes: 0, lines: [String(error)] }))";
        let found = self.wait_for(look).await;
        assert!(
            found["passes"].as_u64() > Some(0),
            "no rule was checked: {found}"
        );
        serde_json::from_value(found["lines"].clone()).unwrap()
    }

    /// A picture of the window, as a PNG file.
    pub async fn picture(&self) -> Vec<u8> {
        self.client.screenshot().await.unwrap()
    }

    /// Ends it.
    pub async fn close(self) {
        self.client.close().await.unwrap();
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").finish_non_exhaustive()
    }
}

fn capabilities(look: Look, profile: &Path) -> Capabilities {
    let [width, height] = if look.is_phone {
        [390, 844]
    } else {
        [1180, 1060]
    };
    let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).to_vec();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    arguments.push(format!("--window-size={width},{height}"));
    let mut options = json!({ "args": arguments });
    if look.is_phone {
        let metrics = json!({"width": width, "height": height, "pixelRatio": 2, "touch": true});
        options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
    }
    if look.has_no_script {
        options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
    }
    let named = [
        ("browserName", json!("chrome")),
        // A machine that does much else at the same time.
        ("timeouts", json!({"script": 120_000, "pageLoad": 300_000})),
        ("goog:chromeOptions", options),
    ];
    named
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

/// Root has no sandbox, and the network behind this machine is none of a test's business. With the pipe the browser
/// notices that its driver has ended.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
];

/// A command of the browser's own protocol, for what `WebDriver` has no word for.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/goog/cdp/execute"))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let Self(command, parameters) = self;
        let body = json!({ "cmd": command, "params": parameters });
        (Method::POST, Some(body.to_string()))
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
