//! What is wrong with a ruleset, or with the kernel for it, is told at its own line.

use super::*;

#[test]
fn every_missing_path_is_an_error_at_its_own_line() {
    let dir = tree();
    let gone = text(dir.path().join("gone"));
    let dynamic = format!("{gone}/%{{A}}/x");
    let not_a_directory = format!("{}/secret/%{{A}}", text(dir.path()));
    need_abi(DEFAULT_MIN_ABI, "a ruleset");
    let spec = spec(
        "r",
        &[
            (PathAccess::Read, &gone),
            (PathAccess::Read, &text(dir.path())),
            (PathAccess::Write, &dynamic),
            (PathAccess::Write, &not_a_directory),
        ],
    );
    assert_eq!(
        errors(spec, Landlock::abi().unwrap()),
        [
            format!(
                "confine.conf:2: ruleset r: {gone} cannot be opened (ENOENT); create it, or correct the path; write \
                 -{gone} if it may be absent"
            ),
            format!(
                "confine.conf:4: ruleset r: {gone}/, the fixed part of {dynamic}, cannot be opened as a \
                 directory (ENOENT); create it, or correct the path; write -{dynamic} if it may be absent"
            ),
            format!(
                "confine.conf:5: ruleset r: {}/secret/, the fixed part of {not_a_directory}, cannot be \
                 opened as a directory (ENOTDIR); create it, or correct the path; write -{not_a_directory} if it may be \
                 absent",
                text(dir.path())
            ),
        ]
    );
}

#[test]
fn a_kernel_too_old_is_an_error_that_names_the_one_to_boot() {
    let with_abi = |min_abi| RulesetSpec { min_abi, ..spec("r", &[]) };
    assert_eq!(
        errors(with_abi(3), 2),
        ["confine.conf:1: ruleset r: it asks for Landlock ABI 3, and this kernel has ABI 2; boot Linux 6.2 \
          or newer, or write LandlockABI 2 to accept that this kernel restricts less"]
    );
    assert_eq!(errors(with_abi(2), 2), [""; 0]);
    for wrong in [0, 10] {
        assert_eq!(
            errors(with_abi(wrong), 7),
            [format!(
                "confine.conf:1: ruleset r: LandlockABI {wrong} is not an ABI that this build knows; write a \
                 number from 1 to 9"
            )]
        );
    }
}

#[test]
fn what_was_asked_for_in_words_is_never_left_out() {
    let mut asking =
        RulesetSpec { connect: Ports::Listed(vec![3306]), bind: Ports::Listed(vec![]), ..spec("r", &[]) };
    asking.scope.add(["signals", "abstract-sockets"]).unwrap();
    assert_eq!(
        errors(asking, 3),
        [
            "confine.conf:1: ruleset r: LandlockConnect needs Landlock ABI 4, and this kernel has ABI 3; boot \
             Linux 6.7 or newer, or write LandlockConnect any to do without the restriction",
            "confine.conf:1: ruleset r: LandlockBind needs Landlock ABI 4, and this kernel has ABI 3; boot \
             Linux 6.7 or newer, or write LandlockBind any to do without the restriction",
            "confine.conf:1: ruleset r: LandlockScope signals needs Landlock ABI 6, and this kernel has ABI 3; \
             boot Linux 6.12 or newer, or write LandlockScope none to do without the restriction",
            "confine.conf:1: ruleset r: LandlockScope abstract-sockets needs Landlock ABI 6, and this kernel \
             has ABI 3; boot Linux 6.12 or newer, or write LandlockScope none to do without the restriction",
        ]
    );
    let lifted = RulesetSpec { connect: Ports::Any, bind: Ports::Any, scope: Scopes::NONE, ..spec("r", &[]) };
    assert_eq!(errors(lifted, 3), [""; 0]);
    assert_eq!(errors(spec("r", &[]), 3), [""; 0]);
}

#[test]
fn names_are_words_and_stand_once() {
    assert_eq!(
        errors(spec("a b", &[]), 7),
        [
            "confine.conf:1: ruleset \"a b\": its name is empty, or holds white space or control characters; give \
          it a name of one word, as in <ConfineLandlock tenant-a>"
        ]
    );
    need_abi(DEFAULT_MIN_ABI, "a ruleset");
    let again = RulesetSpec { origin: at(9), ..spec("r", &[]) };
    let Err(errors) = Landlock::new(vec![spec("r", &[]), again]) else { panic!("two of one name") };
    assert_eq!(
        errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["confine.conf:9: ruleset r: a ruleset of this name stands at confine.conf:1 already; give one of \
          them another name, or make them one"]
    );
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let none = Landlock::new(Vec::new()).unwrap_or_else(|e| panic!("{}", e[0]));
    assert_eq!(
        none.check("x").unwrap_err().to_string(),
        "landlock:x: there is no ruleset of this name; define it with <ConfineLandlock x>"
    );
    need_abi(DEFAULT_MIN_ABI, "a ruleset");
    let some = Landlock::new(vec![spec("b", &[]), spec("a", &[])]).unwrap_or_else(|e| panic!("{}", e[0]));
    assert_eq!(some.names().collect::<Vec<_>>(), ["a", "b"]);
    let message = "landlock:x: there is no ruleset of this name; define it with <ConfineLandlock x>, or write \
                   one of: a, b";
    assert_eq!(some.check("x").unwrap_err().to_string(), message);
    let Err(error) = some.prepare("x") else { panic!("prepared") };
    assert_eq!(error.to_string(), message);
    some.check("a").unwrap();
}

#[test]
fn a_kernel_without_landlock_says_what_is_missing() {
    let says = |errno, lsms| inactive(&io::Error::from_raw_os_error(errno), lsms).to_string();
    assert_eq!(
        says(libc::ENOSYS, None),
        "landlock is not active in this kernel: it was built without Landlock, or is older than Linux 5.13 \
         (ENOSYS); boot Linux 6.2 or newer with CONFIG_SECURITY_LANDLOCK=y"
    );
    assert_eq!(
        says(libc::EOPNOTSUPP, Some("capability,yama,apparmor\n")),
        "landlock is not active in this kernel: Landlock is built in, and was not started at boot \
         (EOPNOTSUPP); boot with lsm=landlock,capability,yama,apparmor on the kernel's command line"
    );
    assert!(
        says(libc::EOPNOTSUPP, None)
            .ends_with("add landlock to lsm= on the kernel's command line, or to CONFIG_LSM")
    );
    assert!(says(libc::EPERM, None).contains("a seccomp filter forbids its system calls (EPERM); let"));
    assert!(says(libc::EIO, None).contains("it did not tell its ABI: "));

    let inactive = inactive(&io::Error::from_raw_os_error(libc::ENOSYS), None);
    assert!(
        no_landlock(&spec("r", &[]), &inactive)
            .to_string()
            .starts_with("confine.conf:1: ruleset r: Landlock is not active in this kernel: it was built"),
    );
}
