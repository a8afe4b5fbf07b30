//! The parts of manual pages that are not in the definition of the command line.

/// The texts of one page.
#[derive(Clone, Copy)]
pub struct Text {
    /// Files, and what they are.
    pub files: &'static [(&'static str, &'static str)],
    /// Examples: the purpose, and what to type.
    pub examples: &'static [(&'static str, &'static str)],
    /// Other pages, besides those of the commands above and below.
    pub see_also: &'static [&'static str],
}

/// The exit status, if a command does not describe its own.
pub const EXIT_STATUS: &str = "0 all is well, 1 there is something to mend, 2 wrong usage, or a file that cannot be \
                               read or written.";

const SERVER: &[&str] = &["apache2(8)", "httpd(8)", "apachectl(8)"];

const MAP_FILES: &[(&str, &str)] = &[
    ("MAP", "rules, one a line: a subject and its contexts. The first that matches counts."),
    ("MAP.compiled", "the compiled form of a map. The server takes either."),
];

const PAGES: &[(&str, Text)] = &[
    (
        "confinectl",
        Text {
            files: &[
                ("MAP", "rules, one a line: a subject and its contexts, named by the directive ConfineMap."),
                ("/sys/kernel/security/lsm", "the active security modules."),
            ],
            examples: &[
                ("See what confines requests on this machine, and what is missing:", "confinectl doctor"),
                (
                    "Put a changed map in place once it is found good:",
                    "confinectl check users.map.new && mv users.map.new users.map",
                ),
                ("Ask which context a user gets:", "confinectl explain --user alice users.map"),
            ],
            see_also: SERVER,
        },
    ),
    (
        "confinectl-check",
        Text {
            files: MAP_FILES,
            examples: &[
                (
                    "Check a map whose contexts without a prefix are rulesets:",
                    "confinectl check --default-backend landlock users.map",
                ),
                (
                    "Count the findings in a script:",
                    "confinectl check --json users.map | jq '.findings | length'",
                ),
            ],
            see_also: SERVER,
        },
    ),
    (
        "confinectl-doctor",
        Text {
            files: &[
                ("/sys/kernel/security/lsm", "the active security modules."),
                (
                    "/sys/fs/selinux, /sys/kernel/security/tomoyo, /sys/kernel/security/apparmor",
                    "what each of them has loaded; the last two are for root.",
                ),
                (
                    "/etc/apache2/envvars",
                    "on Debian, the environment in which the server reads its configuration.",
                ),
            ],
            examples: &[
                ("Look at everything:", "sudo confinectl doctor"),
                (
                    "Look at a configuration that is not in use yet:",
                    "confinectl doctor --config /etc/apache2/apache2.conf.new",
                ),
            ],
            see_also: &["apache2(8)", "httpd(8)", "getenforce(8)", "aa-status(8)"],
        },
    ),
    (
        "confinectl-explain",
        Text {
            files: MAP_FILES,
            examples: &[
                (
                    "Which rule counts for a user from an address, and why the others do not:",
                    "confinectl explain --all --user alice --ip 192.0.2.7 users.map",
                ),
                (
                    "Which rule counts for a file, and whether the kernel takes its contexts:",
                    "confinectl explain --kernel --path /srv/www/blog/index.php users.map",
                ),
            ],
            see_also: SERVER,
        },
    ),
    (
        "confinectl-map",
        Text {
            files: MAP_FILES,
            examples: &[(
                "Lay a map out, and see whose contexts an edited copy changes:",
                "confinectl map fmt users.map\nconfinectl map diff users.map users.map.new",
            )],
            see_also: SERVER,
        },
    ),
    (
        "confinectl-map-compile",
        Text {
            files: MAP_FILES,
            examples: &[
                (
                    "Compile a map, and name the result to the server:",
                    "confinectl map compile /etc/apache2/users.map\nConfineMap \"/etc/apache2/users.map.compiled\"",
                ),
                (
                    "Compile a new version beside the old one and take it into use:",
                    "confinectl map compile -o users.map.compiled.new users.map\nmv users.map.compiled.new users.map.compiled",
                ),
            ],
            see_also: SERVER,
        },
    ),
    (
        "confinectl-map-fmt",
        Text {
            files: &[("MAP", "it is replaced by a rename; its owner and mode stay.")],
            examples: &[
                ("Refuse a commit of a map that is not laid out:", "confinectl map fmt --check users.map"),
                ("See what would change:", "confinectl map fmt --stdout users.map | diff users.map -"),
            ],
            see_also: &["diff(1)"],
        },
    ),
    (
        "confinectl-map-diff",
        Text {
            files: &[("OLD, NEW", "two maps. Only what takes effect is a difference.")],
            examples: &[
                ("Look before a map is put in place:", "confinectl map diff users.map users.map.new"),
                (
                    "Of a map that is kept in git:",
                    "git show HEAD:users.map > /tmp/users.map\nconfinectl map diff /tmp/users.map users.map",
                ),
            ],
            see_also: &["diff(1)", "git-show(1)"],
        },
    ),
    (
        "confinectl-selinux-domain",
        Text {
            files: &[
                ("NAME.cil", "the module. semodule(8) loads it, behind mod_confine.cil."),
                ("/var/lib/selinux", "the modules that are installed; one of the same name is not written."),
            ],
            examples: &[(
                "Write the domain of an application in PHP, load it, label its files:",
                "confinectl selinux-domain blog --profile scripting --read /srv/www/blog --write /srv/www/blog/data\nsudo semodule -i mod_confine.cil blog.cil\nsudo restorecon -R /srv/www/blog",
            )],
            see_also: &["semodule(8)", "restorecon(8)", "selinux(8)"],
        },
    ),
    (
        "confinectl-suggest",
        Text {
            files: &[
                (
                    "/run/apache2/confine-learned/NAME.learned",
                    "on Debian, what the requests of the ruleset NAME did under ConfineMode learn.",
                ),
                (
                    "/usr/share/mod_confine/landlock/NAME.conf",
                    "the files that a suggestion includes, where LandlockIncludeDir names no folder before it.",
                ),
            ],
            examples: &[
                (
                    "Take what was learned for the ruleset of landlock:blog, once it is read:",
                    "confinectl suggest blog > /etc/apache2/conf-enabled/landlock-blog.conf",
                ),
                (
                    "See what the audit log says that the ruleset lacks:",
                    "confinectl suggest --audit /var/log/audit/audit.log blog",
                ),
            ],
            see_also: SERVER,
        },
    ),
];

/// Whether there is a page of this name.
pub fn is_page(name: &str) -> bool {
    PAGES.iter().any(|(page, _)| *page == name)
}

/// The texts of the page of this name. They are empty if there is no such page.
pub fn of(name: &str) -> Text {
    let found = PAGES.iter().find(|(page, _)| *page == name).map(|(_, text)| *text);
    found.unwrap_or(Text { files: &[], examples: &[], see_also: &[] })
}
