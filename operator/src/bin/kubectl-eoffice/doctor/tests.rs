use super::*;
use crate::table::WIDTH;

const PLAIN: Style = Style {
    width: WIDTH,
    colours: false,
};

#[test]
fn each_finding_has_its_remedy_below_it_and_all_fit_a_terminal() {
    let long =
        "the address answers with another server than the one that was pinned at the first contact";
    let areas = [
        (
            "definitions",
            vec![Finding::fine("7 kinds, served and of this version")],
        ),
        (
            "backends",
            vec![Finding::wrong(long, "correct address or DNS")],
        ),
        (
            "rights",
            vec![Finding::unknown(&Failure::of(
                Kind::Forbidden,
                "ask for rights: you may not",
            ))],
        ),
    ];
    let text = report(&areas, PLAIN);
    assert_eq!(
        text,
        "ok     definitions  7 kinds, served and of this version\n\
         WRONG  backends     the address answers with another server than the one that\n\
         \x20                   was pinned at the first contact\n\
         \x20                   -> correct address or DNS\n\
         ?      rights       not looked at: ask for rights: you may not\n\
         \x20                   -> have somebody run doctor who may, such as a platform\n\
         \x20                      admin\n\
         1 thing wrong, 1 could not be looked at.\n"
    );
    let coloured = report(
        &areas,
        Style {
            colours: true,
            ..PLAIN
        },
    );
    assert!(
        coloured.contains("\x1b[31mWRONG\x1b[0m  backends"),
        "{coloured}"
    );
}

#[test]
fn the_operator_is_named_by_namespace_and_name() {
    assert!("a/b".parse::<Operator>().is_ok());
    for bad in ["", "a", "/b", "a/"] {
        assert!(bad.parse::<Operator>().is_err(), "{bad}");
    }
}
