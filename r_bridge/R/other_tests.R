# Tests of other packages that would take the fit for something else: refused by name.

#' @rdname augmented_gmm-methods
#' @importFrom stats add1 drop1
#' @export
add1.augmented_gmm <- function(object, scope, ...) {
  stop_no_likelihood("analysis of deviance, which add1() needs", compare_nested)
}

#' @rdname augmented_gmm-methods
#' @export
drop1.augmented_gmm <- function(object, scope, ...) {
  stop_no_likelihood("analysis of deviance, which drop1() needs", compare_nested)
}

# These functions are no generics: they refit by ordinary least squares what they find
# as model.frame(), which has the labels alone. They can only be refused when they ask.
least_squares_tests <- c(
  "bgtest", "bptest", "dwtest", "gqtest", "harvtest", "hmctest", "raintest", "resettest"
)

refuse_least_squares_test <- function(asker) {
  if (!identical(environmentName(topenv(asker)), "lmtest")) {
    return(invisible())
  }
  for (k in seq_len(sys.nframe())) {
    if (identical(sys.frame(k), asker)) {
      for (name in least_squares_tests) {
        if (identical(sys.function(k), get0(name, topenv(asker)))) {
          stop_least_squares(name)
        }
      }
    }
  }
}

stop_least_squares <- function(name) {
  synth_stop(
    sprintf(
      paste(
        "lmtest::%s() would refit the labelled rows by ordinary least squares, without",
        "the sources, and test that. Standard errors of the fit are robust already;",
        "to test for further terms add them and use lmtest::waldtest()."
      ), name
    ),
    "OptionError"
  )
}

# Measures of package performance that rest on a likelihood, or on other weights.
stop_no_r2 <- function(name) {
  synth_stop(
    sprintf(
      paste(
        "There is no %s of this fit: the estimate maximises no likelihood, and only the",
        "labelled units have an outcome. performance::r2() is the share of their",
        "variance that the fitted means explain."
      ), name
    ),
    "OptionError"
  )
}

# r2_tjur() is no generic; it alone asks for predictions like this.
refuse_tjur <- function(asker, ...) {
  if ("re.form" %in% ...names() && exists(".recode_to_zero", topenv(asker))) {
    stop_no_r2("r2_tjur()")
  }
}

#' @exportS3Method performance::r2_mcfadden
r2_mcfadden.augmented_gmm <- function(model, ...) stop_no_r2("r2_mcfadden()")

#' @exportS3Method performance::r2_nagelkerke
r2_nagelkerke.augmented_gmm <- function(model, ...) stop_no_r2("r2_nagelkerke()")

#' @exportS3Method performance::r2_coxsnell
r2_coxsnell.augmented_gmm <- function(model, ...) stop_no_r2("r2_coxsnell()")
