#' Inference from synthetic data alone, by task exchangeability
#'
#' Nobody was asked yet about the *current* task; a language model answered in their
#' place. For historical tasks there are both, real and synthetic data. How far the
#' model was off then bounds how far it may be off now, if the current task is
#' exchangeable with the historical ones.
#'
#' @param data A data frame with one row per observation of any task, real or synthetic.
#' @param current The current task: a value of the column `task`.
#' @param task,source Names of the columns of the task and of the source, which is
#'   `"real"` or `"synthetic"`. Tasks are text, a factor, numbers or dates.
#' @param value Name of the column of the values; several for a quantity with several
#'   coordinates, which are then covered together.
#' @param weight Name of a column of weights above 0. Means are then weighted.
#' @param unit Name of a column of units, where real and synthetic observations of a
#'   task are pairs. If omitted, the two samples are taken for independent.
#' @param statistic `"mean"`, `"median"` or a number between 0 and 1 for that quantile.
#'   For other statistics give estimates to [task_exchangeability_estimates()].
#' @param covariates Names of columns that describe tasks, such as a year; constant
#'   within a task.
#' @param missing `"raise"`: missing values, and historical tasks without real or
#'   synthetic data, are errors. `"drop"`: they are left out, with a warning that counts
#'   them.
#' @param ... Nothing: all other arguments are named in full.
#' @param algorithm `1` if tasks and samples are exchangeable; `2` if sample sizes
#'   differ systematically, so that only the tasks are; `"finite"` for the estimate of
#'   the real sample that was not drawn, rather than of its population.
#' @param alpha One minus the level of the interval; the sum of `alphas`, or 0.10
#'   without these.
#' @param alphas Three numbers that add up to `alpha`, for the synthetic interval, the
#'   intervals of the gaps and the band. If omitted, `c(.1, .2, .7) * alpha`; the last
#'   is raised to 2 / (T + 1) with T historical tasks if that makes the interval finite.
#' @param interval How the intervals of gaps are made: `"welch"` (independent samples,
#'   estimates, fits), `"normal"` (the same with normal quantiles), `"paired"`, `"hoeffding"` (means of bounded values),
#'   `"percentile"` or `"basic"` (bootstrap), `"order"` (quantiles). Chosen by the data
#'   if omitted.
#' @param weights Weights between 0 and 1 of historical tasks that resemble the current
#'   one: a vector named by task, or in the order of the tasks' first rows; or
#'   `"gaussian"` for a kernel on the covariates. They must not depend on the gaps.
#' @param bandwidth Of the kernel, in standard deviations of each covariate.
#' @param bounds Smallest and largest possible value, for `"hoeffding"`.
#' @param n_boot,seed Number of bootstrap draws, and their seed. R's own random numbers
#'   are not used.
#'
#' @details A finite interval needs about 2 / `alpha` historical tasks. With fewer it is
#'   infinite, and a warning of class `InfiniteIntervalWarning` says how many would do.
#'
#' @return An object of class `task_exchangeability`, made of R's own objects alone, so
#'   that it can be saved. It includes the columns that were used, from which
#'   [confint()][task_exchangeability-methods] at other levels, [trend_test()] and
#'   [temporal_split()] are computed. Components that may be of use:
#'   \item{interval}{the valid interval, a matrix with a row per coordinate}
#'   \item{estimate}{synthetic estimate of the current task; the gap is not taken off}
#'   \item{synthetic_only}{interval if the synthetic data were real: not valid}
#'   \item{gap_band}{band that holds the gap of the current task}
#'   \item{gaps}{a row per historical task and coordinate: estimates, gap, its interval
#'     and weight}
#'   \item{allocation, ranks, widths}{parts of alpha, ranks of the band's ends, and
#'     where the width comes from}
#'   \item{typicality, verdict, notes}{what speaks against exchangeability, if anything}
#'
#' @references Tan, L. and Zrnic, T. (2026). Valid inference with synthetic data via
#'   task exchangeability. arXiv:2606.13629.
#'
#' @seealso [task_exchangeability_estimates()], [task_exchangeability_fits()] and
#'   [task_exchangeability_votes()] for other data; [leave_one_out()], [trend_test()],
#'   [temporal_split()], [coverage_gap()] for checks; [augmented_gmm()] once there are
#'   labels for the current task.
#'
#' @examplesIf synth_available()
#' set.seed(1)
#' surveys <- do.call(rbind, lapply(1986:2025, function(year) {
#'   share <- rbeta(1, 4, 4)
#'   said <- min(max(share + rnorm(1, 0.05, 0.06), 0), 1)
#'   rbind(
#'     if (year < 2025) {
#'       data.frame(task = year, source = "real", value = rbinom(200, 1, share))
#'     },
#'     data.frame(task = year, source = "synthetic", value = rbinom(200, 1, said))
#'   )
#' }))
#'
#' fit <- task_exchangeability(surveys, current = 2025, covariates = "task")
#' fit
#' summary(fit)
#' confint(fit, level = 0.8)
#' @export
task_exchangeability <- function(data, current, task = "task", source = "source",
                                 value = "value", weight = NULL, unit = NULL,
                                 statistic = "mean", covariates = NULL,
                                 missing = c("raise", "drop"), ..., algorithm = 1,
                                 alpha = NULL, alphas = NULL, interval = NULL,
                                 weights = NULL, bandwidth = 1, bounds = NULL,
                                 n_boot = 1999, seed = 0) {
  refuse_unknown("task_exchangeability", ..., known = names(formals()))
  require_arguments("task_exchangeability")
  roles <- task_roles(
    c("task", "source", "value", "weight", "unit", "covariates"), c("value", "covariates")
  )
  fit_tasks(
    c(
      list(
        kind = "frame",
        frame = task_frame(data, roles, roles[c("task", "source", "unit")]),
        current = one_label(current, "current"), statistic = as_statistic(statistic),
        missing = choose_option(missing, c("raise", "drop"), "missing")
      ),
      roles
    ),
    task_settings(algorithm, alpha, alphas, interval, weights, bandwidth, bounds, n_boot, seed),
    match.call()
  )
}

#' Task exchangeability from estimates
#'
#' [task_exchangeability()] for published or otherwise known estimates, one row per
#' task.
#'
#' @inheritParams task_exchangeability
#' @param data A data frame with one row per task, the current one included; its real
#'   columns are `NA`.
#' @param current The current task.
#' @param task Name of the column of the task; the row names if omitted.
#' @param coordinate Name of a column that names coordinates of the quantity of
#'   interest, if there are several rows per task.
#' @param real,real_se,synthetic,synthetic_se Names of the columns of the estimates and
#'   of their standard errors.
#' @param real_n,synthetic_n Names of columns of numbers of observations: Student's t
#'   with n - 1 degrees of freedom. Normal quantiles if omitted.
#' @param correlation Name of a column of correlations between the real and the
#'   synthetic estimate of a task; 0 if omitted.
#' @param missing What to do with historical tasks that lack an estimate.
#' @param weights Weights between 0 and 1 of historical tasks that resemble the current
#'   one: a vector named by task, or in the order of the rows; or `"gaussian"` for a
#'   kernel on the covariates. They must not depend on the gaps.
#' @param n_boot,seed Not used: there is nothing to draw from.
#'
#' @return An object of class `task_exchangeability`; see [task_exchangeability()].
#' @examplesIf synth_available()
#' set.seed(1)
#' theta <- rnorm(41)
#' polls <- data.frame(
#'   real = c(theta[1:40] + rnorm(40, sd = 0.1), NA), real_se = c(rep(0.1, 40), NA),
#'   synthetic = theta - 0.3 + rnorm(41, sd = 0.3), synthetic_se = 0.05,
#'   row.names = c(paste("poll", 1:40), "now")
#' )
#' task_exchangeability_estimates(polls, current = "now")
#' @export
task_exchangeability_estimates <- function(data, current, task = NULL,
                                           coordinate = NULL, real = "real",
                                           real_se = "real_se", real_n = NULL,
                                           synthetic = "synthetic",
                                           synthetic_se = "synthetic_se",
                                           synthetic_n = NULL, correlation = NULL,
                                           covariates = NULL,
                                           missing = c("raise", "drop"), ...,
                                           algorithm = 1, alpha = NULL, alphas = NULL,
                                           interval = NULL, weights = NULL,
                                           bandwidth = 1, bounds = NULL, n_boot = 1999,
                                           seed = 0) {
  refuse_unknown("task_exchangeability_estimates", ..., known = names(formals()))
  require_arguments("task_exchangeability_estimates")
  roles <- task_roles(
    c(
      "task", "coordinate", "real", "real_se", "real_n", "synthetic", "synthetic_se",
      "synthetic_n", "correlation", "covariates"
    ), "covariates"
  )
  fit_tasks(
    c(
      list(
        kind = "estimates", frame = task_frame(data, roles, roles["task"]),
        current = one_label(current, "current"),
        missing = choose_option(missing, c("raise", "drop"), "missing")
      ),
      roles
    ),
    task_settings(algorithm, alpha, alphas, interval, weights, bandwidth, bounds, n_boot, seed),
    match.call()
  )
}

#' Task exchangeability from fitted models
#'
#' [task_exchangeability()] for coefficients: fit the same model to the real and to the
#' synthetic data of every task.
#'
#' @inheritParams task_exchangeability
#' @param real,synthetic Lists of fits, such as those of [lm()], [glm()] or
#'   [augmented_gmm()], to the real and the synthetic data of each historical task. The
#'   names of the lists are the tasks; where both have names, they are matched by them.
#'   Without names the tasks are 1, 2, ... and matched by position. The two fits of a
#'   task are taken for independent.
#' @param current Fit to the synthetic data of the current task.
#' @param params Names of the coefficients of interest; all if omitted. Each gets its
#'   part of `alpha`, so name those that matter.
#' @param name Name of the current task.
#' @param covariates A data frame of numbers with one row per task, the current one
#'   included, whose row names are the tasks. Without row names, in the order of `real`,
#'   the current task last.
#' @param vcov Function that gives the covariance matrix of a fit, such as
#'   `sandwich::vcovHC`.
#' @param df Degrees of freedom: `NULL` for those that `summary()` of an `lm`, `glm` or
#'   `augmented_gmm` uses and normal quantiles for other classes; or a function of a
#'   fit, or one number. `Inf` stands for the normal.
#' @param weights Weights between 0 and 1 of historical tasks that resemble the current
#'   one: a vector named by task, or in the order of `real`; or `"gaussian"` for a
#'   kernel on the covariates. They must not depend on the gaps.
#' @param n_boot,seed Not used: there is nothing to draw from.
#'
#' @return An object of class `task_exchangeability`; see [task_exchangeability()].
#' @examplesIf synth_available()
#' set.seed(1)
#' simulate_fit <- function(slope) {
#'   x <- rnorm(100)
#'   lm(y ~ x, data.frame(x = x, y = slope * x + rnorm(100)))
#' }
#' slopes <- rnorm(41, mean = 1, sd = 0.3)
#' task_exchangeability_fits(
#'   real = lapply(slopes[1:40], simulate_fit),
#'   synthetic = lapply(slopes[1:40] + 0.2, simulate_fit),
#'   current = simulate_fit(slopes[41] + 0.2), params = "x"
#' )
#' @export
task_exchangeability_fits <- function(real, synthetic, current, params = NULL,
                                      name = "current", covariates = NULL,
                                      vcov = stats::vcov, df = NULL, ..., algorithm = 1,
                                      alpha = NULL, alphas = NULL, interval = NULL,
                                      weights = NULL, bandwidth = 1, bounds = NULL,
                                      n_boot = 1999, seed = 0) {
  refuse_unknown("task_exchangeability_fits", ..., known = names(formals()))
  require_arguments("task_exchangeability_fits")
  fits <- function(given, kind) {
    if (!is.list(given) || is.object(given)) {
      synth_stop(sprintf(
        "%s is %s. Give a list of fits, one for each historical task.", kind,
        describe_type(given)
      ), "OptionError")
    }
    tasks <- if (is.null(names(given))) seq_along(given) else names(given)
    list(
      fits = unname(Map(function(fit, task) {
        read_fit(fit, sprintf("%s fit of task '%s'", kind, task), params, vcov, df)
      }, given, tasks)),
      names = if (!is.null(names(given))) joined(utf8(names(given), "Names of tasks"))
    )
  }
  params <- some_names(params, "params")
  if (!is.function(vcov)) {
    synth_stop(sprintf(
      "vcov is %s. Give a function that takes a fit, such as sandwich::vcovHC.",
      describe_type(vcov)
    ), "OptionError")
  }
  if (!is.null(covariates)) {
    check_frame(covariates, "covariates", "per task")
  }
  fit_tasks(
    list(
      kind = "fits", real = fits(real, "real"), synthetic = fits(synthetic, "synthetic"),
      fit = read_fit(current, "fit of the current task", params, vcov, df),
      params = params, current = one_label(name, "name"),
      covariates = if (!is.null(covariates)) {
        frame_to_send(covariates, names(covariates), "covariates", NULL)
      }
    ),
    task_settings(algorithm, alpha, alphas, interval, weights, bandwidth, bounds, n_boot, seed),
    match.call()
  )
}

#' Task exchangeability from votes of an autorater
#'
#' Comparisons of players (chatbots, say) with a human vote and one of an autorater. A
#' task is a player, and the quantity of interest its Bradley-Terry log-strength. The
#' current player has votes of the autorater alone.
#'
#' @inheritParams task_exchangeability
#' @param data A data frame with one row per comparison.
#' @param current The current player. Human votes on it, if any, are not used.
#' @param first,second Names of the columns of the two players.
#' @param real,synthetic Names of the columns of the human vote and of that of the
#'   autorater: 1 if the first player wins, 0 if the second does, 0.5 for a tie.
#' @param reference Player whose strength is 0; it is no task then. If omitted, the mean
#'   of the historical players is 0.
#' @param prior Votes of each player against an imaginary one of strength 0, half of
#'   them wins, which keep strengths finite.
#' @param interval `"percentile"` or `"basic"`.
#' @param weights Weights between 0 and 1 of historical players that resemble the
#'   current one: a vector named by player, or in their sorted order. They must not
#'   depend on the gaps.
#' @param n_boot,seed Number of bootstrap draws of comparisons, and their seed.
#'
#' @details About 2 / `alpha` historical players are needed. Gaps of players that were
#'   compared with each other are not independent.
#'
#' @return An object of class `task_exchangeability`; see [task_exchangeability()].
#' @references Bradley, R. A. and Terry, M. E. (1952). Rank analysis of incomplete block
#'   designs: the method of paired comparisons. *Biometrika*, 39, 324-345.
#' @examplesIf synth_available()
#' set.seed(1)
#' strength <- rnorm(25, sd = 0.7)
#' votes <- data.frame(
#'   model_a = sample(25, 4000, TRUE), model_b = sample(25, 4000, TRUE)
#' )
#' votes <- subset(votes, model_a != model_b)
#' chance <- plogis(strength[votes$model_a] - strength[votes$model_b])
#' votes$human <- rbinom(nrow(votes), 1, chance)
#' votes$judge <- rbinom(nrow(votes), 1, 0.1 + 0.8 * chance)
#' task_exchangeability_votes(votes, current = 25, n_boot = 199, alpha = 0.2)
#' @export
task_exchangeability_votes <- function(data, current, first = "model_a",
                                       second = "model_b", real = "human",
                                       synthetic = "judge", reference = NULL,
                                       prior = 1, ..., algorithm = 1, alpha = NULL,
                                       alphas = NULL, interval = NULL, weights = NULL,
                                       n_boot = 1999, seed = 0) {
  refuse_unknown("task_exchangeability_votes", ..., known = names(formals()))
  require_arguments("task_exchangeability_votes")
  roles <- task_roles(c("first", "second", "real", "synthetic"))
  fit_tasks(
    c(
      list(
        kind = "votes", frame = task_frame(data, roles, roles[c("first", "second")]),
        current = one_label(current, "current"),
        reference = if (!is.null(reference)) one_label(reference, "reference"),
        prior = one_number(prior, "prior")
      ),
      roles
    ),
    task_settings(algorithm, alpha, alphas, interval, weights, 1, NULL, n_boot, seed),
    match.call()
  )
}

as_statistic <- function(statistic) {
  if (is.function(statistic)) {
    synth_stop(
      paste(
        "statistic is a function, and Python does not call functions of R. Compute the",
        "statistic and its standard error for every task and give them to",
        "task_exchangeability_estimates()."
      ),
      "OptionError"
    )
  }
  if (is.character(statistic) && length(statistic) == 1L) {
    return(utf8(statistic, "statistic"))
  }
  one_number(statistic, "statistic")
}

# Coefficients, variances and degrees of freedom of a fit.
read_fit <- function(fit, where, params, vcov, df) {
  estimate <- tryCatch(stats::coef(fit), error = function(e) NULL)
  if (!is.numeric(estimate) || !is.null(dim(estimate)) || is.null(names(estimate))) {
    synth_stop(sprintf(
      paste(
        "The %s (class '%s') has no named vector of coefficients, which coef() must",
        "give. For others give numbers to task_exchangeability_estimates()."
      ),
      where, class(fit)[[1L]]
    ))
  }
  names <- names(estimate)
  known <- if (is.null(params)) names else intersect(params, names)
  list(
    names = utf8(names, "Names of the coefficients"), params = as.double(estimate),
    variances = as.double(diag(as.matrix(vcov(fit)))[names]),
    df = fit_df(fit, df, if (length(known)) known else names)
  )
}

fit_df <- function(fit, df, names) {
  found <- if (is.function(df)) {
    df(fit)
  } else if (is.null(df)) {
    usual_df(fit, names)
  } else {
    df
  }
  if (!is.numeric(found) || length(found) != 1L || is.na(found) || found <= 0) {
    synth_stop(
      "df must be one number above 0, or a function that gives it.", "OptionError"
    )
  }
  as.double(found)
}

# Degrees of freedom of the t tests in summary(), Inf where these are z tests.
usual_df <- function(fit, names) {
  if (inherits(fit, "augmented_gmm")) {
    return(min(coefficient_df(fit)[names]))
  }
  known_dispersion <- inherits(fit, "glm") &&
    grepl("^(binomial|poisson|Negative Binomial)", stats::family(fit)$family)
  if (!inherits(fit, "lm") || known_dispersion) {
    return(Inf)
  }
  df <- stats::df.residual(fit)
  if (is.null(df) || is.na(df) || df <= 0) Inf else df
}

fit_tasks <- function(data, settings, call) {
  arguments <- list(data = data, fit = settings)
  value <- call_python("task_exchangeability", arguments)
  new_task_exchangeability(value, arguments, call)
}

# Labels of tasks: numbers, or text.
task_labels <- function(sent) if (is.numeric(sent)) as.double(sent) else split_labels(sent)

new_task_exchangeability <- function(value, arguments, call) {
  tasks <- task_labels(value$tasks)
  current <- task_labels(value$current)
  coordinates <- value$coordinates
  ends <- function(x) structure(x, dimnames = list(coordinates, c("lower", "upper")))
  gaps <- as.data.frame(value$gaps)
  names(gaps) <- c("real", "synthetic", "gap", "lower", "upper", "weight")
  structure(
    list(
      interval = ends(value$interval),
      estimate = stats::setNames(value$estimate, coordinates),
      synthetic_only = ends(value$synthetic_only),
      synthetic_interval = ends(value$synthetic_interval),
      gap_band = ends(value$gap_band),
      gaps = by_task(gaps, tasks, coordinates),
      widths = structure(
        value$widths, dimnames = list(coordinates, c("W1", "W2", "W3", "total"))
      ),
      allocation = stats::setNames(value$allocation, c("alpha1", "alpha2", "alpha3")),
      ranks = stats::setNames(value$ranks, c("lower", "upper")),
      alpha = value$alpha,
      algorithm = arguments$fit$algorithm,
      gap_interval = value$gap_interval,
      tasks = tasks,
      current = current,
      coordinates = coordinates,
      n_tasks = length(tasks),
      weighted = value$weighted,
      effective_tasks = value$effective_tasks,
      covariates = if (!is.null(value$covariates)) {
        structure(
          value$covariates,
          dimnames = list(label_text(c(tasks, current)), value$covariate_names)
        )
      },
      typicality = stats::setNames(value$typicality, coordinates),
      verdict = in_r_words(value$verdict),
      notes = in_r_words(unlist(value$notes)),
      held_out = held_out_tasks(value, tasks, coordinates, value$alpha),
      call = call,
      arguments = arguments
    ),
    class = "task_exchangeability"
  )
}

# A table with a row per task and coordinate, as they come from Python.
by_task <- function(table, tasks, coordinates) {
  cbind(
    data.frame(
      task = rep(tasks, each = length(coordinates)),
      coordinate = rep(coordinates, times = length(tasks))
    ),
    table
  )
}

covered_table <- function(values, tasks, coordinates) {
  table <- as.data.frame(values)
  names(table) <- c(
    "real", "lower", "upper", "covered", "synthetic_lower", "synthetic_upper",
    "synthetic_covered"
  )
  table$covered <- table$covered == 1
  table$synthetic_covered <- table$synthetic_covered == 1
  by_task(table, tasks, coordinates)
}

held_out_tasks <- function(value, tasks, coordinates, alpha) {
  found <- value$held_out
  if (is.null(found)) {
    return(in_r_words(value$why_not_held_out))
  }
  structure(
    list(
      coverage = found$coverage,
      synthetic_coverage = found$naive_coverage,
      level = 1 - alpha,
      n_tasks = length(tasks),
      weighted = found$weighted,
      table = covered_table(found$table, tasks, coordinates)
    ),
    class = "task_coverage"
  )
}
