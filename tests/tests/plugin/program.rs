//! The program itself: kubectl finds it, its help and its completion.

use crate::bed::Bed;

pub async fn all(bed: &Bed) {
    let admin = bed.control_plane.admin_kubeconfig();
    let listed = bed.shell(admin, "kubectl plugin list").await.out;
    assert!(listed.contains("/kubectl-eoffice\n"), "{listed}");
    let help = bed.run("--help").await.gave(0);
    for words in [
        "class",
        "doctor",
        "2   something would change (plan)",
        "64  the command line is wrong",
    ] {
        assert!(help.contains(words), "{help}");
    }
    assert!(
        bed.run("--version")
            .await
            .gave(0)
            .contains(env!("CARGO_PKG_VERSION"))
    );
    let wrong = bed.run("staus").await;
    assert_eq!(wrong.code, 64, "{wrong:#?}");
    assert!(
        wrong.err.contains("status"),
        "the nearest word is offered: {wrong:#?}"
    );
    completion(bed).await;
    connection(bed).await;
}

async fn completion(bed: &Bed) {
    let admin = bed.control_plane.admin_kubeconfig();
    for (line, offered) in [
        ("eoffice res", "resume\nrestore\n"),
        ("eoffice class ", "accept\n"),
    ] {
        let script = format!("kubectl __complete {}", line.replace("class ", "class ''"));
        let ran = bed.shell(admin, &script).await;
        assert!(ran.out.starts_with(offered), "{line}: {ran:#?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = bed.run(&format!("completion {shell}")).await;
        assert!(
            script.code == 0 && script.out.contains("kubectl-eoffice"),
            "{shell}: {script:#?}"
        );
    }
    let script =
        "kubectl eoffice completion bash > $HOME/eoffice.bash && bash -n $HOME/eoffice.bash";
    assert_eq!(bed.shell(admin, script).await.code, 0);
}

/// What is wrong with the way to the API server is said in a sentence.
async fn connection(bed: &Bed) {
    let told = bed.run("status --context nowhere").await.refused();
    assert!(
        told.contains("kubeconfig cannot be used") && told.contains("nowhere"),
        "{told}"
    );
    let told = bed
        .run("status --kubeconfig /nowhere/at/all")
        .await
        .refused();
    assert!(told.contains("/nowhere/at/all"), "{told}");
    let text = std::fs::read_to_string(bed.control_plane.admin_kubeconfig()).unwrap();
    let away = text.replace(bed.control_plane.server(), "https://127.0.0.1:9");
    let away = bed.file("away.kubeconfig", &away);
    let told = bed.run_as(&away, "status").await.refused();
    assert!(
        told.contains("the API server cannot be reached: "),
        "{told}"
    );
    // The chart is not installed yet.
    let told = bed.run("status").await.refused();
    assert!(
        told.contains("does not serve this kind") && told.contains("doctor"),
        "{told}"
    );
}
