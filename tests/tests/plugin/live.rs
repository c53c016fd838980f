//! The plugin with the real operator: what it plans is what is made, what it tells is so, and what it asks is done.

use anyhow::{Context, Result, ensure};
use eoffice_tests::e2e::security::{Platform, eventually, tenant};
use eoffice_tests::{OperatorOptions, Options};

use crate::bed::{Plugin, one_line};

const TENANT: &str = "town-pak-chong-3021";

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_eoffice_and_the_operator_agree() {
    let options = Options {
        servers: vec!["pg-a".into()],
        ..Options::default()
    };
    let platform = Platform::start(options, OperatorOptions::default())
        .await
        .unwrap();
    let plugin = Plugin::install(platform.sandbox.ground()).await;
    planned(&platform, &plugin).await.unwrap();
    proved(&platform, &plugin).await.unwrap();
    drifted(&platform, &plugin).await.unwrap();
    lived(&platform, &plugin).await.unwrap();
    well(&platform, &plugin).await.unwrap();
}

/// A plan of a file makes nothing; once applied and Ready, nothing is left to do.
async fn planned(platform: &Platform, plugin: &Plugin) -> Result<()> {
    let object = tenant(TENANT);
    let file = plugin.file("live.json", &object.to_string());
    let kubeconfig = platform.sandbox.kubeconfig();
    let words = format!("plan -f {}", file.display());
    let text = eventually("a plan of a new tenant", || async {
        let ran = plugin.run(kubeconfig, &words).await;
        ensure!(ran.code == 2, "{ran:#?}");
        Ok(ran.gave(2))
    })
    .await?;
    for words in [
        "Namespace/eoffice-town-pak-chong-3021",
        "Database",
        "Storage",
        "Certificate",
    ] {
        ensure!(text.contains(words), "{words}: {text}");
    }
    ensure!(
        platform.tenants().get_opt(TENANT).await?.is_none(),
        "a plan makes nothing"
    );
    platform.apply(&[object]).await?;
    platform.ready(TENANT).await?;
    eventually("nothing is left to do", || async {
        let ran = plugin.run(kubeconfig, &format!("plan {TENANT}")).await;
        ensure!(
            ran.code == 0 && ran.out.contains("nothing would change"),
            "{ran:#?}"
        );
        Ok(())
    })
    .await
}

async fn proved(platform: &Platform, plugin: &Plugin) -> Result<()> {
    let kubeconfig = platform.sandbox.kubeconfig();
    let text = plugin
        .run(kubeconfig, &format!("verify {TENANT}"))
        .await
        .gave(0);
    ensure!(text.contains("Verified True"), "{text}");
    let script = format!(
        "eval \"$(kubectl eoffice credentials {TENANT} --env)\"; printf '%s %s' $PGUSER $PGPASSWORD"
    );
    let read = plugin.shell(kubeconfig, &script).await;
    let secret = platform.credentials(TENANT).await?;
    let (user, password) = (secret.login(), &secret.database["password"]);
    ensure!(
        read.out == format!("{user} {password}"),
        "the shell has other credentials than the Secret"
    );
    Ok(())
}

/// What a person changed is told of, with what it was and what it is again.
async fn drifted(platform: &Platform, plugin: &Plugin) -> Result<()> {
    let server = platform.sandbox.server("pg-a")?;
    let login = platform.credentials(TENANT).await?.login().to_owned();
    let admin = server
        .connect("postgres")
        .await
        .context("connect as the superuser")?;
    let change = format!("ALTER ROLE {login} CONNECTION LIMIT 500");
    admin.batch_execute(&change).await?;
    let kubeconfig = platform.sandbox.kubeconfig();
    eventually("the drift is told of and put right", || async {
        let ran = plugin.run(kubeconfig, &format!("drift {TENANT}")).await;
        let text = one_line(&ran.out);
        let told = text.contains(&format!("Corrected Database role {login} connectionLimit"));
        ensure!(
            ran.code == 0 && told && text.contains("found 500"),
            "{ran:#?}"
        );
        Ok(())
    })
    .await
}

/// Given new credentials, closed and opened, deleted and made again: what a command says is what the operator does.
async fn lived(platform: &Platform, plugin: &Plugin) -> Result<()> {
    let run = async |words: String| {
        plugin
            .run(platform.sandbox.kubeconfig(), &words)
            .await
            .gave(0)
    };
    let before = platform.credentials(TENANT).await?.login().to_owned();
    let text = one_line(&run(format!("rotate {TENANT} --now --wait")).await);
    ensure!(text.contains("those before are cut off"), "{text}");
    let after = platform.credentials(TENANT).await?.login().to_owned();
    ensure!(before != after, "the login in the Secret is the one before");

    run(format!("suspend {TENANT} --yes")).await;
    eventually("it is suspended", || async {
        let text = run(format!("status {TENANT}")).await;
        ensure!(text.contains("phase      Suspended"), "{text}");
        Ok(())
    })
    .await?;
    run(format!("reopen {TENANT}")).await;
    platform.ready(TENANT).await?;

    let text = run(format!("retire {TENANT} --yes --wait")).await;
    ensure!(text.contains("has left"), "{text}");
    let text = one_line(&run(format!("retained {TENANT}")).await);
    for words in ["state retained", "deleted by", "kept until"] {
        ensure!(text.contains(words), "{words}: {text}");
    }
    let text = run("retained -o name".into()).await;
    ensure!(text == format!("{TENANT}\n"), "{text}");
    let text = run(format!("restore {TENANT} --wait")).await;
    ensure!(text.contains("is Ready."), "{text}");
    Ok(())
}

/// With everything running there is nothing for the doctor to find.
async fn well(platform: &Platform, plugin: &Plugin) -> Result<()> {
    eventually("the doctor finds nothing", || async {
        let ran = plugin.run(platform.sandbox.kubeconfig(), "doctor").await;
        ensure!(ran.code == 0, "{ran:#?}");
        Ok(())
    })
    .await
}
