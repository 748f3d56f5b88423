# Designs of package survey: what of them the fit takes, as arguments that were captured.

read_survey <- function(survey, data, weights, cluster) {
  if (is.null(survey)) {
    return(list(weights = weights, cluster = cluster))
  }
  given <- c(weights = !is.null(weights), cluster = !is.null(cluster))
  if (any(given)) {
    synth_stop(
      sprintf(
        "survey has %s of its own. Leave %s out.", names(given)[given][[1L]],
        names(given)[given][[1L]]
      ),
      "OptionError"
    )
  }
  if (!inherits(survey, "survey.design2")) {
    synth_stop(
      sprintf(
        "survey is %s. Give a design by svydesign() of package survey%s.",
        describe_type(survey),
        if (inherits(survey, "svyrep.design")) "; replicate weights are not taken" else ""
      ),
      "OptionError"
    )
  }
  if (!is.null(survey$postStrata)) {
    synth_stop(
      paste(
        "survey was calibrated or post-stratified, which its standard errors allow for and",
        "these would not. Give the design before, with the weights that it had."
      ),
      "OptionError"
    )
  }
  if (nrow(survey$cluster) != n_rows(data)) {
    synth_stop(sprintf(
      "survey has %s, data %d. Make the design of the rows of data, in their order.",
      count(nrow(survey$cluster), "row"), n_rows(data)
    ))
  }
  value <- function(x) list(expr = as.vector(x), env = baseenv())
  # Units drawn one by one are sampling units of their own.
  found <- list(
    weights = value(1 / survey$prob),
    cluster = value(as.integer(factor(survey$cluster[[1L]])))
  )
  if (isTRUE(survey$has.strata)) {
    found$strata <- value(as.character(survey$strata[[1L]]))
  }
  sizes <- survey$fpc$popsize
  if (!is.null(sizes)) {
    found$fpc <- value(as.double(as.matrix(sizes)[, 1L]))
  }
  if (is.null(found$strata) && is.null(found$fpc)) {
    # One stratum: how sampling units differ is about their mean, as survey has it.
    found$strata <- value(rep("all", n_rows(data)))
  }
  found
}
