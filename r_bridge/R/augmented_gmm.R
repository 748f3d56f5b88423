#' Regression on human labels, augmented by proxies and synthetic data
#'
#' Solves the score equations of a generalised linear model on the labelled units, and
#' uses what every source says of labelled and of all units to remove what is
#' predictable from their noise: the better the sources, the tighter the estimate.
#' Estimates are valid when units are labelled at random or with known probabilities, and
#' the sources are made in the same way for labelled and unlabelled units.
#'
#' @param formula A formula as for [stats::glm()]. Bases such as `ns()`, `poly()` and
#'   `scale()`, levels and contrasts are learned on the labelled rows and carried to
#'   the sources. Terms that depend on the other rows in another way, such as
#'   `I(x - mean(x))`, are refused. As in package fixest, `y ~ x | firm + year` absorbs
#'   fixed effects in a linear model, `y ~ x | d ~ z` has the endogenous regressor `d`
#'   with the instrument `z`, and `y ~ x | firm | d ~ z` both. With `family = binomial()` the outcome may be
#'   `cbind(successes, failures)`: units then count as often as they have trials. Sources
#'   have the same columns and, for each unit, as many trials.
#' @param data A data frame with one row per unit: those with human labels, or all units
#'   with `NA` where nobody labelled.
#' @param proxy,synthetic What a model guessed about real units, and units that a model
#'   made up: a data frame; a named character vector such as
#'   `c(polite = "polite_gpt4o")` for columns of `data` that stand in for variables of
#'   the formula; or a named list of these for several sources. Where the outcome has
#'   levels, a source may have a column with the probability of each:
#'   `list(gpt4o = list(party = c(left = "p_left", right = "p_right")))`. A variable that a frame
#'   does not have is taken from `data` for that unit. Several rows of a unit are
#'   replicates. The estimator treats both kinds alike.
#' @param family A family as for [stats::glm()]: `gaussian`, `binomial`, `poisson`,
#'   `Gamma`, `inverse.gaussian` or MASS's `negative.binomial()`, with any link;
#'   `quasibinomial` and `quasipoisson` give the same.
#' @param on Name of the column (or columns) that identifies units in `data` and in every
#'   frame. If omitted, units are matched by row names, or by position where all frames
#'   have as many rows and no row names.
#' @param labeled Which rows of `data` are labelled: a logical vector or a column. If
#'   omitted, the rows in which every variable of the formula is present.
#' @param labeling_prob Probability with which each unit was chosen for labelling: a
#'   column, one value per row of `data`, or one number.
#' @param weights Weight of each unit, above 0: a column or one value per row of `data`.
#' @param cluster Cluster of each unit, likewise: standard errors are then robust to
#'   dependence within clusters. The estimates change as well, unless
#'   `use_correction = FALSE`: what is taken off for the sources is shrunken as far as
#'   few labelled clusters demand, and with very few of them the estimate is that of the
#'   labels only.
#' @param ... Nothing: all other arguments are named in full.
#' @param score Another target model in place of `family`: [quantile_score()], [huber()],
#'   [negative_binomial2()], [multinomial_logit()], [ordered_logit()], [ordered_probit()],
#'   [treatment_effect()].
#' @param survey A design by `svydesign()` of package survey, with the rows of `data`, where
#'   the units come from a survey: its weights, strata, sampling units of the first stage and
#'   finite-population corrections are used, in place of `weights` and `cluster`.
#' @param strata Stratum of each unit, where a fixed number of units was labelled in
#'   each: a column or one value per row of `data`.
#' @param auxiliary What is known of every unit beside `formula`, such as the confidence of
#'   a model: a one-sided formula of columns, as in `~ confidence + n_words`, of `data` or
#'   of the sources. The outcome is predicted from them and from what the proxies say, each
#'   fold of the units by the labels of the others, and that is one more source, named
#'   `"auxiliary"`. It takes part where it predicts the labels better than the proxies do.
#' @param subset Which rows of `data` to use, as for [stats::glm()]: the other units are left
#'   out of the sources as well, and of the population. (To withhold labels only, use
#'   `labeled`.)
#' @param na.action As for [stats::glm()], in place of `missing`: `na.omit` and `na.exclude`
#'   are `"drop"`, `na.fail` is `"raise"`.
#' @param missing `"drop"`: incomplete labelled units count as unlabelled, and
#'   incomplete rows of sources as not covered; the summary gives the numbers.
#'   `"raise"`: they are errors.
#' @param rare_levels What to do with levels of regressors that no labelled unit has: refuse
#'   them; `"drop"`: leave their units and rows of sources out, like incomplete ones;
#'   `"lump"`: count them as the level with the fewest labels. A warning gives the numbers.
#' @param coder Column that says who coded a row, where `data` have a row for each unit and
#'   coder: their codes become one label, and [coder_agreement()] says how far they agree.
#'   `on` names the column of the units.
#' @param coding What makes one label of several codes: `"mean"` or `"majority"`, or by
#'   column, as in `c(y = "majority")`. If omitted, the mean of an outcome of numbers and the
#'   majority of one with levels; a regressor on which coders differ must be named.
#' @param contrasts A list as for [stats::glm()].
#' @param maxiter 1 gives the labelled-only estimate, 2 the two-step one, a larger number
#'   iterates until the estimate settles, `"cue"` updates continuously.
#' @param use_correction Whether to shrink what is taken off as far as few labels demand
#'   and to use the standard errors for few labels. `TRUE` by default, except for
#'   `"cue"`, which has none. `FALSE` gives estimator and interval of the paper, Byun et
#'   al. (2025); what is printed says which of the two it is.
#' @param use_t Whether to use Student's t; as `use_correction` if omitted.
#' @param centered Whether the second moment of the moment conditions is centred.
#' @param population `"superpopulation"`: the coefficients are those of the population
#'   that the units were drawn from. `"finite"`: of the units themselves, such as a
#'   corpus of which all texts are there; intervals leave out the variance from drawing
#'   the units. The estimate is the same.
#' @param start Start for the coefficients.
#' @param influence Whether to keep the contribution of each unit, which
#'   [sandwich::estfun()] needs: as many rows as there are units.
#' @param keep Whether to keep the arrays of the fit, which [compare()], [diagnostics()],
#'   [plan()] and [agreement()] start from: the human labels, and as many numbers as all
#'   sources have.
#'
#' @details `labeled`, `labeling_prob`, `weights`, `cluster` and `strata` are looked up
#'   in `data` first, so that `weights = w`, `weights = "w"`, `weights = ~ w` and
#'   `weights = data$w` say the same.
#'
#' @return An object of class `augmented_gmm`, made of R's own objects alone, so that it
#'   can be saved and loaded where there is no Python. [coef()], [vcov()], [confint()],
#'   [predict()] and the like refer to the coefficients of `formula`.
#'
#' @references Byun, Y., Gupta, S., Lipton, Z. C., Childers, R. L. and Wilder, B. (2025).
#'   Valid inference with imperfect synthetic data. *NeurIPS 2025*. arXiv:2508.06635.
#'
#' @seealso [summary.augmented_gmm()], [labels_only()], [representativeness()],
#'   [task_exchangeability()] for a task without any label.
#'
#' @examplesIf synth_available()
#' set.seed(1)
#' posts <- data.frame(hedge = rnorm(1000), length = rpois(1000, 20))
#' truth <- 1 + 0.5 * posts$hedge + 0.02 * posts$length + rnorm(1000)
#' posts$guess <- truth + 0.3 + rnorm(1000, sd = 0.5)
#' posts$polite <- ifelse(seq_len(1000) <= 150, truth, NA)
#'
#' fit <- augmented_gmm(polite ~ hedge + length, posts, proxy = c(polite = "guess"))
#' summary(fit)
#' confint(fit)
#' @importFrom stats gaussian
#' @export
augmented_gmm <- function(formula, data, proxy = NULL, synthetic = NULL,
                          family = gaussian(), on = NULL, labeled = NULL,
                          labeling_prob = NULL, weights = NULL, cluster = NULL, ...,
                          score = NULL, survey = NULL, strata = NULL, auxiliary = NULL,
                          subset = NULL, missing = c("drop", "raise"),
                          na.action = NULL,
                          rare_levels = c("raise", "drop", "lump"), coder = NULL,
                          coding = NULL, contrasts = NULL,
                          maxiter = 2, use_correction = NULL, use_t = NULL,
                          centered = FALSE,
                          population = c("superpopulation", "finite"), start = NULL,
                          influence = TRUE, keep = TRUE) {
  call <- match.call()
  refuse_unknown("augmented_gmm", ..., known = names(formals()))
  if (missing(formula) || missing(data)) {
    synth_stop(
      paste(
        "formula and data are needed: a model such as y ~ x, and a data frame with one",
        "row per unit (with survey = design, it is design$variables)."
      ),
      "OptionError"
    )
  }
  env <- parent.frame()
  parts <- formula_parts(formula)
  target <- read_target(score, family, !missing(family), parts)
  coded <- one_row_per_unit(
    data, unit_column(coder, substitute(coder), "coder"), coding,
    unit_column(on, substitute(on)), target, parts, list(
      labeled = capture(substitute(labeled), env), cluster = capture(substitute(cluster), env),
      labeling_prob = capture(substitute(labeling_prob), env),
      weights = capture(substitute(weights), env), strata = capture(substitute(strata), env)
    ), sources_of_columns(proxy, synthetic)
  )
  data <- coded$data
  survey <- read_survey(
    survey, data, capture(substitute(weights), env), capture(substitute(cluster), env)
  )
  read <- with_most_probable(data, proxy, synthetic, target, parts$formula)
  design <- build_design(
    formula, read$data, read$proxy, read$synthetic,
    parts = parts, target = target, on = unit_column(on, substitute(on)),
    labeled = capture(substitute(labeled), env),
    labeling_prob = capture(substitute(labeling_prob), env),
    strata = capture(substitute(strata), env),
    weights = survey$weights, cluster = survey$cluster,
    survey_strata = survey$strata, survey_fpc = survey$fpc,
    auxiliary = auxiliary,
    missing = as_missing(missing, na.action),
    rare_levels = choose_option(
      rare_levels, c("raise", "drop", "lump"), "rare_levels"
    ),
    contrasts = contrasts, subset = capture(substitute(subset), env)
  )
  settings <- list(
    maxiter = as_maxiter(maxiter),
    use_correction = as_flag(use_correction, "use_correction"),
    use_t = as_flag(use_t, "use_t"),
    centered = as_flag(centered, "centered"),
    population = choose_option(
      population, c("superpopulation", "finite"), "population"
    ),
    start = as_start(
      start, if (is.null(target$score)) ncol(design$labels$exog), length(design$sources)
    )
  )
  influence <- as_flag(influence, "influence")
  keep <- as_flag(keep, "keep")
  design <- with_chances(weighted_by_trials(design), read$chances)
  design <- without_own_constant(design, target)
  arrays <- python_arguments(design, target, settings, influence, keep)
  arrays$coders <- coded$coders
  value <- call_python("augmented_gmm", arrays)
  fit <- new_augmented_gmm(value, design, target, call)
  fit$coders <- if (!is.null(coded$coders)) table_of(coded$coders$table)
  if (keep == 1L) {
    # Of the formula and frames nothing is needed again: Python's own result is made anew
    # from these, where this session no longer has it.
    fit$again <- list(
      token = value$token, alone = 0L, arrays = arrays,
      on = unit_column(on, substitute(on)), coded = coded$asked
    )
  }
  fit
}

# What crosses to Python: numbers, integer codes, and text that is valid.
python_arguments <- function(design, target, settings, influence, keep) {
  list(
    endog = as.double(design$labels$endog),
    exog = unname_matrix(design$labels$exog),
    names = utf8(colnames(design$labels$exog), "Names of the coefficients"),
    yname = utf8(design$yname, "Name of the outcome"),
    offset = design$labels$offset,
    labeled = design$labeled,
    units = labels_to_send(design$units),
    sources = lapply(design$sources, python_source),
    weights = design$weights,
    labeling_prob = design$labeling_prob,
    strata = design$strata,
    auxiliary = if (!is.null(design$auxiliary)) unname_matrix(design$auxiliary),
    auxiliary_names = if (!is.null(design$auxiliary)) {
      utf8(colnames(design$auxiliary), "Names of the columns of auxiliary")
    },
    cluster = design$cluster,
    survey_strata = design$survey_strata,
    survey_fpc = if (!is.null(design$survey_fpc)) as.double(design$survey_fpc),
    n_incomplete = as.integer(design$n_incomplete),
    family = if (is.null(target$score)) family_code(target$family),
    score = score_code(target, design),
    levels = if (has_levels(target)) utf8(design$ylevels, "Levels of the outcome"),
    absorbed = design$absorbed,
    intercept = attr(design$all_terms, "intercept"),
    n_data = as.integer(design$n_data), subset = design$subset,
    eligible = design$eligible, missing = design$missing,
    settings = settings,
    influence = influence,
    keep = keep
  )
}

python_source <- function(source) {
  list(
    name = utf8(source$name, "Name of a source"),
    kind = source$kind,
    endog = as.double(source$endog),
    chances = source$chances,
    exog = unname_matrix(source$exog),
    units = if (!is.null(source$units)) source$units - 1L,
    offset = source$offset,
    dropped = as.integer(source$dropped)
  )
}

unname_matrix <- function(x) {
  storage.mode(x) <- "double"
  matrix(x, nrow(x), ncol(x))
}

new_augmented_gmm <- function(value, design, target, call) {
  fit <- fit_object(value, design, target, call)
  with_labels(fit, design)
}

fit_object <- function(value, design, target, call) {
  terms <- value$names
  square <- function(x) structure(x, dimnames = list(terms, terms))
  rows <- function(x, names) structure(x, dimnames = list(names, terms))
  regressors <- intersect(terms, colnames(design$labels$exog))
  structure(
    list(
      coefficients = stats::setNames(value$coefficients, terms),
      vcov = square(value$vcov),
      df.residual = value$df,
      df.inference = stats::setNames(value$df_inference, terms),
      use_t = value$use_t,
      nobs = length(design$labels$endog),
      n_units = value$n_units,
      n_population = value$n_population,
      family = target$family,
      score = score_parts(target, design),
      predicts = target$predicts,
      absorbed = design$absorbed$names,
      title = stats::setNames(unlist(value$title$text), unlist(value$title$name)),
      regressors = regressors,
      first_stage = if (!is.null(value$first_stage)) table_of(value$first_stage, "term"),
      overidentification = value$overidentification,
      formula = if (is.null(design$formula)) stats::formula(design$terms) else {
        whole_formula(design)
      },
      terms = design$terms,
      # Those of the instruments too, where there are any.
      all_terms = if (!is.null(design$instrumental)) design$all_terms,
      xlevels = design$xlevels,
      contrasts = design$contrasts,
      model = design$model,
      call = call,
      offset = design$labels$offset,
      weights = if (!is.null(design$weights)) design$weights[design$labeled == 1L],
      labels_only = list(
        coefficients = stats::setNames(value$labels_only$coefficients, terms),
        vcov = square(value$labels_only$vcov),
        df.residual = value$labels_only$df,
        df.inference = stats::setNames(value$labels_only$df_inference, terms)
      ),
      variance_reduction = stats::setNames(value$variance_reduction, terms),
      effective_nobs = stats::setNames(value$effective_nobs, terms),
      sources = sources_frame(value$sources),
      naive = list(
        coefficients = rows(value$naive$coefficients, unlist(value$sources$name)),
        std.error = rows(value$naive$std_error, unlist(value$sources$name))
      ),
      auxiliary = rows(value$auxiliary, unlist(value$sources$name)),
      jtest = stats::setNames(value$jtest, c("statistic", "p.value", "df")),
      j_variance_df = value$j_variance_df,
      representativeness_df = value$representativeness_df,
      representativeness = representativeness_frame(
        value$representativeness, unlist(value$sources$name)
      ),
      c_reference = if (!is.null(value$c_reference)) {
        stats::setNames(as.data.frame(value$c_reference), c("c.f", "c.df", "c.df2"))
      },
      method = value$method,
      steps = value$steps,
      use_correction = value$use_correction,
      centered = value$centered,
      design_weights = value$design_weights,
      cov_type = value$cov_type,
      labeling = value$labeling,
      notes = in_r_words(unlist(value$notes)),
      dropped_sources = unlist(value$dropped_sources),
      n_clusters = value$n_clusters,
      n_incomplete = design$n_incomplete,
      converged = value$converged,
      settled = value$settled,
      iterations = value$iterations,
      influence = if (!is.null(value$influence)) {
        structure(value$influence, dimnames = list(NULL, terms))
      },
      units = if (!is.null(value$influence)) {
        if (is.null(value$clusters)) {
          design$units
        } else {
          design$clusters[value$clusters]
        }
      },
      slope = if (!is.null(value$slope)) square(value$slope)
    ),
    class = "augmented_gmm"
  )
}

# Predictor, mean and residual of the labelled units, named by unit.
with_labels <- function(fit, design) {
  labels <- design$labels
  names <- as.character(design$units[design$labeled == 1L])
  named <- function(x) stats::setNames(as.double(x), names)
  if (has_levels(fit)) {
    known <- fit$score$ylevels
    fit$y <- factor(
      stats::setNames(known[labels$endog + 1L], names), known, ordered = fit$score$ordered
    )
    names(fit$y) <- names
    exog <- structure(labels$exog, dimnames = list(names, colnames(labels$exog)))
    offset <- if (is.null(labels$offset)) 0 else labels$offset
    fit$fitted.values <- level_probabilities(fit, exog, offset)
    return(fit)
  }
  fit$y <- named(labels$endog)
  if (!predicts_means(fit)) {
    return(fit)
  }
  eta <- linear_part(fit, labels$exog)
  if (!is.null(labels$offset)) {
    eta <- eta + labels$offset
  }
  mean <- fit$family$linkinv(eta)
  fit$fitted.values <- named(mean)
  fit$linear.predictors <- named(eta)
  fit$residuals <- named(labels$endog - mean)
  fit
}

# Linear predictor of the columns that have coefficients: not instruments, nor what has
# a coefficient and no column.
linear_part <- function(object, exog) {
  own <- slopes_of(object)
  drop(exog[, own, drop = FALSE] %*% object$coefficients[own])
}

slopes_of <- function(object) {
  if (is.null(object$regressors)) names(object$coefficients) else object$regressors
}

# Thresholds stand for the constant.
without_own_constant <- function(design, target) {
  if (!isTRUE(target$score$ordered)) {
    return(design)
  }
  kept <- colnames(design$labels$exog) != "(Intercept)"
  if (!any(kept)) {
    synth_stop(
      "The formula has no regressor; thresholds stand for the constant. Add one.",
      "FormulaError"
    )
  }
  design$assign <- design$assign[kept]
  design$labels$exog <- design$labels$exog[, kept, drop = FALSE]
  design$sources <- lapply(design$sources, function(source) {
    source$exog <- source$exog[, kept, drop = FALSE]
    source
  })
  design
}

score_parts <- function(target, design) {
  if (is.null(target$score)) {
    return(NULL)
  }
  list(
    name = target$score$name, text = target$score$text, ordered = target$score$ordered,
    options = target$score$options,
    ylevels = if (has_levels(target)) base_first(design$ylevels, target$score$options$base)
  )
}

base_first <- function(levels, base) {
  if (is.null(base) || !base %in% levels) levels else c(base, setdiff(levels, base))
}

# The formula as it was written, with its bars.
whole_formula <- function(design) {
  stats::as.formula(str2lang(design$formula), environment(design$all_terms))
}

sources_frame <- function(sources) {
  number <- function(x) as.numeric(unlist(x))
  data.frame(
    kind = as.character(unlist(sources$kind)),
    units = as.integer(unlist(sources$units)),
    labelled = as.integer(unlist(sources$labelled)),
    rows_per_unit = number(sources$rows_per_unit),
    explained = number(sources$explained),
    dropped_rows = as.integer(unlist(sources$dropped_rows)),
    row.names = unlist(sources$name)
  )
}

representativeness_frame <- function(values, names) {
  values <- as.data.frame(values)
  names(values) <- c("statistic", "p.value", "df", "c.statistic", "c.p.value")
  row.names(values) <- c("all sources", names)
  values
}
