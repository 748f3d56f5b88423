# Families: R's own objects, and the name under which Python knows each.

known_families <- c(
  "gaussian", "binomial", "poisson", "Gamma", "inverse.gaussian",
  "quasibinomial", "quasipoisson"
)

# Links by R's name that exist on both sides with the same formula.
known_links <- c(
  "identity", "log", "logit", "probit", "cauchit", "cloglog", "inverse", "sqrt",
  "1/mu^2"
)

# A family from what glm() accepts: an object, a function or a name.
as_family <- function(family, env = parent.frame()) {
  if (is.character(family)) {
    family <- named_family(family, env)
  }
  if (is.function(family)) {
    family <- tryCatch(family(), error = function(e) {
      synth_stop(sprintf(
        "family is a function that gives no family: %s. %s",
        sub("[.]$", "", conditionMessage(e)), family_forms()
      ), "OptionError")
    })
  }
  if (!inherits(family, "family")) {
    synth_stop(sprintf(
      "family is %s. %s", describe_type(family), family_forms()
    ), "OptionError")
  }
  family
}

named_family <- function(name, env) {
  if (length(name) != 1L || is.na(name)) {
    synth_stop(paste("family is not a single name.", family_forms()), "OptionError")
  }
  if (name == "negative.binomial") {
    synth_stop(paste(
      "family = 'negative.binomial' needs its theta:",
      "MASS::negative.binomial(theta = 2), for example."
    ), "OptionError")
  }
  if (name %in% known_families) {
    return(getExportedValue("stats", name))
  }
  found <- get0(name, envir = env, mode = "function")
  if (is.null(found) || !gives_family(found)) {
    synth_stop(sprintf(
      "There is no family '%s'.%s", name, suggest(name, known_families)
    ), "OptionError")
  }
  found
}

gives_family <- function(f) {
  inherits(tryCatch(f(), error = function(e) NULL), "family")
}

family_forms <- function() {
  "Give a family as for glm(), such as binomial() or poisson(link = \"sqrt\")."
}

# Name and link as Python needs them:
# list(name, link, alpha = NULL or number, power = NULL or number).
family_code <- function(family) {
  name <- family$family
  alpha <- NULL
  if (startsWith(name, "Negative Binomial")) {
    alpha <- 1 / negative_binomial_theta(family)
    name <- "negative.binomial"
  } else if (name %in% c("quasibinomial", "quasipoisson")) {
    # The estimate and its robust covariance do not depend on the dispersion.
    name <- sub("^quasi", "", name)
  } else if (!name %in% known_families) {
    synth_stop(sprintf(
      "The family '%s' is not available. There are: %s and MASS::negative.binomial().",
      name, paste0("'", known_families, "'", collapse = ", ")
    ), "OptionError")
  }
  link <- link_code(family)
  list(name = name, link = link$link, alpha = alpha, power = link$power)
}

# theta is rounded in the family's name, so it is read from where MASS keeps it.
negative_binomial_theta <- function(family) {
  theta <- get0(".Theta", envir = environment(family$variance), inherits = FALSE)
  if (is.null(theta)) 1 / (family$variance(1) - 1) else theta
}

link_code <- function(family) {
  link <- family$link
  if (link %in% known_links && same_link(family, stats::make.link(link))) {
    return(list(link = link, power = NULL))
  }
  # power(1/3) is named "mu^0.333", so its exponent is read from the function.
  lambda <- get0("lambda", envir = environment(family$linkfun), inherits = FALSE)
  if (startsWith(link, "mu^") && is.numeric(lambda) &&
    same_link(family, stats::power(lambda))) {
    return(list(link = "power", power = as.double(lambda)))
  }
  synth_stop(sprintf(
    "The link '%s' of the family '%s' is not available. There are: %s and power().",
    link, family$family, paste0("'", known_links, "'", collapse = ", ")
  ), "OptionError")
}

# A link of the user's own may carry the name of another.
same_link <- function(family, link) {
  mu <- c(0.1, 0.35, 0.5, 0.8)
  given <- tryCatch(family$linkfun(mu), error = function(e) NULL)
  isTRUE(all.equal(as.double(given), link$linkfun(mu)))
}
