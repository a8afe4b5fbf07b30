//! What the module promises, asked of a real httpd: one file a behaviour.

mod a_client_address_chooses;
mod an_environment_variable_chooses;
mod an_expression_chooses;
mod an_unproven_user_is_anonymous;
mod each_reads_theirs_and_not_the_others;
mod stock_httpd_serves;
mod two_thousand_mixed_requests_are_never_mixed_up;
