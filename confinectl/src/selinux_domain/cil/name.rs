//! The name of an application, in a form that CIL and file contexts accept.

use std::fmt;

use super::PLACEHOLDERS;

/// An application's name: a block of CIL, and the first part of its types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// The files of mod_confine's own policy. A module of such a name would replace it.
pub const SHIPPED_FILES: &[&str] = &["mod_confine", "mod_confine_mcs"];

/// Blocks and profiles of mod_confine's own policy.
pub const SHIPPED_BLOCKS: &[&str] = &[
    "mod_confine",
    "mod_confine_mcs",
    "static",
    "scripting",
    "database_client",
    "webdav",
    "by_category",
    "narrowing",
    "programs",
    "etc_files",
    "rewrite_programs",
    "own_proc",
    "pool",
];

/// The words of CIL (libsepol: cil/src/cil.c, cil_init_keys). CIL reserves few of them, and none as the name of a
/// block. But a reader would misunderstand such a name.
const WORDS: &str = "\
    all allow allowx and any auditallow auditallowx block blockabstract blockinherit boolean booleanif \
    call category categoryalias categoryaliasactual categoryorder categoryset char class classcommon \
    classmap classmapping classorder classpermission classpermissionset common constrain context \
    defaultrange defaultrole defaulttype defaultuser deny devicetreecon dir dom domby dontaudit \
    dontauditx eq expandtypeattribute false file filecon fsuse genfscon h1 h2 handleunknown ibendportcon \
    ibpkeycon in incomp ioctl iomemcon ioportcon ipaddr l1 l2 level levelrange macro mls mlsconstrain \
    mlsvalidatetrans name neq netifcon neverallow neverallowx nodecon not notself object_r optional or \
    other pcidevicecon perm permissionx pipe pirqcon policycap portcon r1 r2 r3 range rangetransition \
    reject role roleallow roleattribute roleattributeset rolebounds roletransition roletype self \
    selinuxuser selinuxuserdefault sensitivity sensitivityalias sensitivityaliasactual \
    sensitivitycategory sensitivityorder sid sidcontext sidorder socket source string symlink t1 t2 t3 \
    target task trans true tunable tunableif type typealias typealiasactual typeattribute \
    typeattributeset typebounds typechange typemember typepermissive typetransition u1 u2 u3 user \
    userattribute userattributeset userbounds userlevel userprefix userrange userrole validatetrans \
    xattr xor";

impl Name {
    /// The longest name that is accepted. It is a file's name with `.cil` behind it, and part of a line of file
    /// contexts.
    const LONGEST: usize = 200;

    /// Checks a name (libsepol: cil/src/cil_verify.c, cil_verify_name).
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err("a name in CIL begins with a letter".to_owned());
        }
        if let Some(bad) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !"_-".contains(*c)) {
            return Err(format!("a name in CIL holds letters, digits, _ and -, not {bad:?}"));
        }
        if text.len() > Self::LONGEST {
            return Err(format!("longer than {} characters", Self::LONGEST));
        }
        if SHIPPED_BLOCKS.contains(&text) {
            return Err(format!("mod_confine's own policy has a block {text}; choose another name"));
        }
        if WORDS.split_ascii_whitespace().any(|word| word == text) {
            return Err(format!("{text} is a word of CIL; choose another name"));
        }
        if let Some(word) = PLACEHOLDERS.iter().find(|word| text.contains(**word)) {
            return Err(format!("{word} is a placeholder in file contexts; write it in lower case"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
