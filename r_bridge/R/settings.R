# Options of the fit: checked here where R would otherwise send something odd; what they
# mean is Python's.

# `missing`, or what na.action of glm() says of it.
as_missing <- function(missing, na.action) {
  if (is.null(na.action)) {
    return(choose_option(missing, c("drop", "raise"), "missing"))
  }
  if (is.function(na.action)) {
    known <- list(
      na.omit = stats::na.omit, na.exclude = stats::na.exclude, na.fail = stats::na.fail
    )
    same <- vapply(known, identical, NA, na.action)
    na.action <- if (any(same)) names(known)[same][[1L]] else "this function"
  }
  if (!is_string(na.action) || !na.action %in% c("na.omit", "na.exclude", "na.fail")) {
    synth_stop(
      sprintf(
        paste(
          "na.action is not %s here. Use na.omit or na.fail, or missing = \"drop\" or",
          "\"raise\"."
        ), if (is_string(na.action)) na.action else deparsed(na.action)
      ),
      "OptionError"
    )
  }
  if (na.action == "na.fail") "raise" else "drop"
}

check_flag <- function(value, name) {
  if (is.null(value)) {
    synth_stop(
      sprintf("%s = NULL does not exist. Give TRUE or FALSE.", name), "OptionError"
    )
  }
  as_flag(value, name)
}

# 1 or 0, since R's logical vectors do not cross; NULL stays NULL.
as_flag <- function(value, name) {
  if (is.null(value)) {
    return(NULL)
  }
  if (length(value) != 1L || !(is.logical(value) || is.numeric(value)) ||
    !(value %in% c(0, 1))) {
    synth_stop(
      sprintf("%s = %s does not exist. Give TRUE or FALSE.", name, deparsed(value)),
      "OptionError"
    )
  }
  as.integer(value)
}

as_maxiter <- function(value) {
  if (identical(value, "cue")) {
    return(value)
  }
  if (!is.numeric(value) || length(value) != 1L || !(value %in% seq_len(1e6))) {
    synth_stop(
      sprintf(
        paste(
          "maxiter = %s does not exist. Give 1 (one-step), 2 (two-step, the default),",
          "a larger whole number (iterated) or \"cue\"."
        ),
        deparsed(value)
      ),
      "OptionError"
    )
  }
  as.integer(value)
}

as_start <- function(value, n_coefficients, n_sources) {
  if (is.null(value)) {
    return(NULL)
  }
  long <- n_coefficients * (1L + n_sources)
  wrong <- length(n_coefficients) && !(length(value) %in% c(n_coefficients, long))
  if (!is.numeric(value) || !all(is.finite(value)) || wrong) {
    synth_stop(
      sprintf(
        "start must be %s finite numbers, one for each coefficient%s.",
        if (is.null(n_coefficients)) "" else n_coefficients,
        if (n_sources) sprintf(" (or %d, with those of the sources)", long) else ""
      ),
      "OptionError"
    )
  }
  as.double(value)
}

deparsed <- function(value) {
  text <- deparse(value, width.cutoff = 60L)
  if (length(text) > 1L) paste0(text[[1L]], "...") else text
}
