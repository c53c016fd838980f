//! Builds one Go part into the cache.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::cache::{Building, Cache, Claim};
use super::parts::GoPart;
use crate::failure;
use crate::process::Spec;
use crate::progress::{Progress, Task, human};

/// Makes sure that `part` is in the cache, and tells where.
pub(super) async fn ensure(part: &GoPart, cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let name = format!("{}-{}", part.name, part.key());
    let place = cache.place(&name);
    if place.exists() {
        return Ok(place);
    }
    let task = progress.task(part.name);
    if let Claim::Build(building) = cache.claim(&name, &task).await? {
        build(part, building, &task).await.with_context(|| {
            format!(
                "build {}; a next run begins this part anew and keeps what is finished",
                part.name
            )
        })?;
        let took = human(task.elapsed());
        task.done(format_args!("built in {took}"));
    }
    Ok(place)
}

async fn build(part: &GoPart, building: Building, task: &Task) -> Result<()> {
    let go = Go::prepare(part, building.dir())?;
    let out = building.dir().join("out");
    let packages: Vec<&str> = part.programs.iter().map(|one| one.package).collect();

    task.step("loading the modules it is made of");
    let total = go
        .run(["list", "-deps"].iter().chain(&packages), task, |_| {})
        .await?
        .lines()
        .count();

    let bin = format!("{}/bin/", out.display());
    let flags = [
        "build",
        "-v",
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        part.ldflags,
        "-o",
        &bin,
    ];
    task.step(format_args!("compiling up to {total} packages"));
    let mut compiled = 0;
    go.run(flags.iter().chain(&packages), task, |package| {
        compiled += 1;
        task.count(format_args!("compiling, {compiled} of {total}: {package}"));
    })
    .await?;

    for program in part.programs {
        fs::rename(
            out.join("bin").join(program.built),
            out.join("bin").join(program.name),
        )
        .with_context(|| format!("name the program {}", program.name))?;
    }
    for asset in part.assets {
        task.step(format_args!("copying {}", asset.name));
        let module = go
            .run(
                &["list", "-m", "-f", "{{.Dir}}", asset.module],
                task,
                |_| {},
            )
            .await?;
        copy_files(
            &Path::new(module.trim()).join(asset.folder),
            &out.join(asset.name),
        )?;
    }
    building.finish(&out)
}

/// The `go` command in a part's module.
struct Go {
    part: &'static str,
    source: PathBuf,
    temporary: PathBuf,
}

impl Go {
    fn prepare(part: &GoPart, dir: &Path) -> Result<Self> {
        let go = Self {
            part: part.name,
            source: dir.join("source"),
            temporary: dir.join("tmp"),
        };
        for folder in [&go.source, &go.temporary] {
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        for (name, text) in part.files {
            let path = go.source.join(name);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(go)
    }

    /// Runs `go` and returns what it prints; `each` is told of every package it compiles.
    async fn run<'a>(
        &self,
        args: impl IntoIterator<Item = &'a &'a str>,
        task: &Task,
        mut each: impl FnMut(&str),
    ) -> Result<String> {
        let (process, stdout, stderr) = Spec::new(format!("go for {}", self.part), "go")
            .args(args)
            .dir(&self.source)
            .inherit_env()
            // A user's own flags, workspace or target must not change what is built.
            .env("GOFLAGS", "-mod=readonly")
            .env("GOWORK", "off")
            .env("GO111MODULE", "on")
            .env("GOOS", "linux")
            .env("GOARCH", architecture()?)
            // Nothing here needs C, and without it the programs run on any Linux.
            .env("CGO_ENABLED", "0")
            .env("GOTMPDIR", &self.temporary)
            .family()
            .spawn_piped()?;
        let mut stdout = tokio::process::ChildStdout::from_std(stdout)?;
        let mut lines = BufReader::new(tokio::process::ChildStderr::from_std(stderr)?).lines();
        let read = async {
            let mut text = String::new();
            stdout.read_to_string(&mut text).await.map(|_| text)
        };
        let told = async {
            let mut said = String::new();
            while let Some(line) = lines.next_line().await? {
                match line.strip_prefix("go: downloading ") {
                    Some(module) => task.count(format_args!("loading {module}")),
                    None if is_package(&line) => each(&line),
                    None => {
                        said.push_str(&line);
                        said.push('\n');
                    }
                }
            }
            std::io::Result::Ok(said)
        };
        let (printed, said) = tokio::try_join!(read, told).context("read what `go` says")?;
        let status = process.wait().await;
        if !status.success() {
            let remedy = failure::remedy(&said).unwrap_or("`go` failed");
            bail!("{remedy} ({status}):\n{}", failure::last(&said, 12));
        }
        Ok(printed)
    }
}

/// `go build -v` prints bare import paths; everything else it says has spaces or punctuation.
fn is_package(line: &str) -> bool {
    !line.is_empty()
        && line
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "./_-~+".contains(c))
}

fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => {
            bail!("the sandbox runs on x86_64 and aarch64 machines, and this one is {other}")
        }
    }
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    let copy = || -> std::io::Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            // Read and written, not copied: the module cache is read-only, and that would be copied too.
            let mut bytes = Vec::new();
            fs::File::open(entry.path())?.read_to_end(&mut bytes)?;
            fs::write(to.join(entry.file_name()), bytes)?;
        }
        Ok(())
    };
    copy().with_context(|| format!("copy {} to {}", from.display(), to.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::toolchain::parts::Program;

    const HELLO: GoPart = GoPart {
        name: "hello",
        files: &[
            ("go.mod", "module eoffice.invalid/hello\n\ngo 1.26.0\n"),
            (
                "main.go",
                "package main\n\nfunc main() { println(\"hello\") }\n",
            ),
        ],
        programs: &[Program {
            package: ".",
            built: "hello",
            name: "greeter",
        }],
        ldflags: "-s -w",
        assets: &[],
        first_build: Duration::from_secs(1),
    };

    #[tokio::test]
    async fn an_interrupted_build_recovers_and_a_finished_one_is_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let silent = Progress::silent();

        let cut_off = ensure(&HELLO, &cache, &silent);
        let cut_off = tokio::time::timeout(Duration::from_millis(100), cut_off).await;
        let place = cache.place(&format!("hello-{}", HELLO.key()));
        assert!(cut_off.is_err() && !place.exists(), "a build takes longer");

        let built = ensure(&HELLO, &cache, &silent).await.unwrap();
        let program = built.join("bin/greeter");
        let first = fs::metadata(&program).unwrap().modified().unwrap();
        ensure(&HELLO, &cache, &silent).await.unwrap();
        assert_eq!(fs::metadata(&program).unwrap().modified().unwrap(), first);
        let output = std::process::Command::new(program).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "hello\n");
    }

    #[tokio::test]
    async fn a_build_that_fails_says_what_the_compiler_said() {
        let dir = tempfile::tempdir().unwrap();
        let broken = GoPart {
            files: &[
                ("go.mod", "module eoffice.invalid/hello\n\ngo 1.26.0\n"),
                ("main.go", "package main\n\nfunc main() { nowhere() }\n"),
            ],
            ..HELLO
        };
        let error = ensure(&broken, &Cache::at(dir.path()), &Progress::silent()).await;
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.contains("undefined: nowhere"), "{error}");
    }

    #[test]
    fn packages_are_told_from_complaints() {
        for (line, expected) in [
            ("k8s.io/api/core/v1", true),
            ("internal/goarch", true),
            ("./main.go:3:15: undefined: nowhere", false),
            ("# eoffice.invalid/hello", false),
        ] {
            assert_eq!(is_package(line), expected, "{line}");
        }
    }
}
