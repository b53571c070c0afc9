//! A headless browser, where there is one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Browser {
    program: PathBuf,
    profile: tempfile::TempDir,
}

impl Browser {
    /// `FINEMEM_CHROMIUM`, or what is installed under a usual name. Without one the test is skipped, visibly.
    pub(crate) fn find() -> Option<Self> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
        let installed = || {
            let paths = names.iter().flat_map(|name| std::env::split_paths(&folders).map(move |folder| folder.join(name)));
            paths.into_iter().find(|path| path.is_file())
        };
        let Some(program) = std::env::var_os("FINEMEM_CHROMIUM").map(PathBuf::from).or_else(installed) else {
            // Not eprintln, which the test harness hides.
            let _ =
                writeln!(std::io::stderr(), "SKIPPED: no Chromium is found (FINEMEM_CHROMIUM names one), so pages are not opened in it");
            return None;
        };
        Some(Self { program, profile: tempfile::tempdir().expect("a folder") })
    }

    /// The elements of a page after its scripts ran, without the scripts themselves. A message on the console, such as an error, fails the test.
    pub(crate) fn dom(&self, page: &Path, address: &str) -> String {
        let output = Command::new(&self.program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .args(["--window-size=1280,1000", "--virtual-time-budget=3000", "--enable-logging=stderr", "--dump-dom"])
            .arg(format!("--user-data-dir={}", self.profile.path().display()))
            .arg(format!("file://{}{address}", page.display()))
            .output()
            .expect("the browser starts");
        let said = String::from_utf8_lossy(&output.stderr);
        let console: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(console.is_empty(), "{}{address}: {}", page.display(), console.join("\n"));
        assert!(output.status.success(), "{said}");
        let mut elements = String::from_utf8(output.stdout).expect("UTF-8");
        while let Some((before, rest)) = elements.split_once("<script") {
            let after = rest.split_once("</script>").expect("the script ends").1;
            elements = format!("{before}{after}");
        }
        elements
    }

    /// The same after a script of the test's ran, too.
    pub(crate) fn dom_after(&self, page: &Path, script: &str) -> String {
        let html = std::fs::read_to_string(page).expect("the page");
        let copy = page.with_file_name("with script.html");
        let more = format!("<script>addEventListener('load',()=>setTimeout(()=>{{{script}}},100))</script></body>");
        std::fs::write(&copy, html.replace("</body>", &more)).expect("written");
        self.dom(&copy, "")
    }
}
