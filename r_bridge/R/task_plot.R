#' Plot the gaps of historical tasks
#'
#' Draws the historical gaps with their intervals, the band that they give, and the
#' interval of the current task beside that of the synthetic data alone. The lower axis
#' is that of the gap, the upper one that of the quantity of the current task: its
#' synthetic estimate plus the gap. With `by`, gaps are drawn against a covariate
#' instead.
#'
#' @param x A fit of [task_exchangeability()] or one of its siblings.
#' @param by `NULL`; or the name of a covariate, numbers named by task, or numbers in
#'   the order of `x$tasks`.
#' @param coordinate Name or number of the coordinates to draw, one panel each; all if
#'   omitted.
#' @param ... To [graphics::plot.window()]: `xlim`, `ylim`, `xaxs`, `yaxs`, `asp`,
#'   `log`, `lab`. Others are errors.
#'
#' @return `x$gaps` of these coordinates, invisibly.
#' @examplesIf synth_available()
#' set.seed(1)
#' theta <- rnorm(31)
#' polls <- data.frame(
#'   real = c(theta[1:30] + rnorm(30, sd = 0.1), NA), real_se = c(rep(0.1, 30), NA),
#'   synthetic = theta - 0.3 + rnorm(31, sd = 0.3), synthetic_se = 0.05,
#'   year = 1995:2025
#' )
#' fit <- task_exchangeability_estimates(
#'   polls, current = 2025, task = "year", covariates = "year"
#' )
#' plot(fit)
#' plot(fit, by = "year")
#' @export
plot.task_exchangeability <- function(x, by = NULL, coordinate = x$coordinates, ...) {
  refuse_arguments(
    "plot", ..., also = c("xlim", "ylim", "xaxs", "yaxs", "asp", "log", "lab")
  )
  at <- if (is.character(coordinate)) match(coordinate, x$coordinates) else coordinate
  if (!is.numeric(at) || !length(at) || !all(at %in% seq_along(x$coordinates))) {
    synth_stop(
      sprintf(
        "coordinate = %s does not exist.%s", deparsed(coordinate),
        suggest(coordinate, x$coordinates)
      ),
      "OptionError"
    )
  }
  by <- by_to_send(by, substitute(by))
  order <- if (is.character(by) && by %in% colnames(x$covariates)) {
    list(by = by, values = unname(x$covariates[, by]))
  } else if (!is.null(by)) {
    ask_again(x, "task_order", by = by)
  }
  before <- graphics::par(no.readonly = TRUE)
  on.exit(graphics::par(before))
  if (length(at) > 1L) {
    graphics::par(mfrow = c(1L, length(at)))
  }
  for (name in x$coordinates[at]) {
    if (is.null(order)) {
      plot_gaps(x, name, ...)
    } else {
      plot_gaps_by(x, name, order, ...)
    }
  }
  invisible(x$gaps[x$gaps$coordinate %in% x$coordinates[at], ])
}

# Colours that people with colour blindness tell apart (Okabe and Ito 2008).
task_colours <- c(
  current = "#0072B2", gaps = "#000000", band = "#D5ECF9", naive = "#D55E00",
  error = "grey45", zero = "grey60"
)

# More tasks than this are drawn without names.
most_named <- 40L

plot_gaps <- function(x, name, ...) {
  gaps <- x$gaps[x$gaps$coordinate == name, ]
  gaps <- gaps[order(gaps$gap), ]
  n <- nrow(gaps)
  few <- n <= most_named
  point <- x$estimate[[name]]
  own <- x$interval[name, ] - point
  naive <- x$synthetic_only[name, ] - point
  step <- max(1, n / 14)
  labels <- label_text(gaps$task)
  set_margins(if (few) labels, top = 3.6, bottom = 6.6)
  start_panel(
    finite_range(gaps$lower, gaps$upper, gaps$gap, own, naive),
    c(-3.4 * step, n - 1 + 0.8 * step), ...
  )
  box <- graphics::par("usr")
  inside <- function(ends) pmin(pmax(ends, box[[1L]]), box[[2L]])
  band <- inside(x$gap_band[name, ])
  graphics::rect(
    band[[1L]], box[[3L]], band[[2L]], box[[4L]],
    col = task_colours[["band"]], border = NA
  )
  graphics::abline(v = 0, col = task_colours[["zero"]])
  at <- seq_len(n) - 1
  graphics::segments(
    inside(gaps$lower), at, inside(gaps$upper), at,
    col = task_colours[["error"]], lwd = if (few) 1.3 else 0.7
  )
  graphics::points(gaps$gap, at, pch = 19L, cex = if (few) 0.75 else 0.4)
  draw_interval(own, -1.6 * step, task_colours[["current"]], inside)
  draw_interval(naive, -2.6 * step, task_colours[["naive"]], inside)
  graphics::axis(1L)
  theta <- pretty(box[1:2] + point)
  graphics::axis(3L, at = theta - point, labels = theta)
  draw_names(if (few) labels, at, n)
  graphics::mtext(
    sprintf("gap of %s: real minus synthetic", name),
    side = 1L, line = 2.3
  )
  graphics::mtext(
    sprintf("%s of the current task, %s", name, label_text(x$current)),
    side = 3L, line = 2.3
  )
  draw_task_legend(
    c(
      "historical gaps", "gap band", "current task: valid interval",
      "current task: synthetic only"
    ),
    colours = task_colours[c("gaps", "band", "current", "naive")],
    points = c(19L, 15L, NA, NA), lines = c(NA, NA, 4, 4), columns = 2L
  )
}

# Names of the tasks beside their gaps, as small as the room demands.
draw_names <- function(labels, at, n) {
  room <- graphics::par("pin")[[2L]] / diff(graphics::par("usr")[3:4])
  size <- min(0.75, 0.9 * room / graphics::strheight("2", "inches", cex = 1) / 1.2)
  if (is.null(labels) || size < 0.4) {
    graphics::mtext(
      sprintf("%s, by gap", count(n, "historical task")),
      side = 2L, line = 1
    )
  } else {
    graphics::mtext(labels, side = 2L, at = at, las = 1L, cex = size, line = 0.4)
  }
}

plot_gaps_by <- function(x, name, order, ...) {
  gaps <- x$gaps[x$gaps$coordinate == name, ]
  past <- utils::head(order$values, -1L)
  now <- order$values[[length(order$values)]]
  many <- nrow(gaps) > 2L * most_named
  shown <- finite_range(gaps$lower, gaps$upper, gaps$gap)
  set_margins(NULL, top = 1.5, bottom = 6.6)
  across <- finite_range(past, if (is.finite(now)) now)
  start_panel(across, shown, ...)
  box <- graphics::par("usr")
  inside <- function(ends) pmin(pmax(ends, box[[3L]]), box[[4L]])
  band <- inside(x$gap_band[name, ])
  graphics::rect(
    box[[1L]], band[[1L]], box[[2L]], band[[2L]],
    col = task_colours[["band"]], border = NA
  )
  graphics::abline(h = 0, col = task_colours[["zero"]])
  graphics::segments(
    past, inside(gaps$lower), past, inside(gaps$upper),
    col = task_colours[["error"]], lwd = if (many) 0.7 else 1.3
  )
  graphics::points(past, gaps$gap, pch = 19L, cex = if (many) 0.5 else 0.75)
  if (is.finite(now)) {
    graphics::abline(v = now, col = task_colours[["current"]], lwd = 2, lty = 2L)
  }
  graphics::axis(1L)
  graphics::axis(2L, las = 1L)
  graphics::mtext(order$by, side = 1L, line = 2.3)
  graphics::mtext(sprintf("gap of %s", name), side = 2L, line = 3)
  draw_task_legend(
    c("historical gaps", "gap band", if (is.finite(now)) "current task"),
    colours = task_colours[c("gaps", "band", if (is.finite(now)) "current")],
    points = c(19L, 15L, if (is.finite(now)) NA),
    lines = c(NA, NA, if (is.finite(now)) 2), columns = 3L
  )
}

# An interval as a bar, with an arrow head where it has no end.
draw_interval <- function(ends, at, colour, inside) {
  graphics::segments(
    inside(ends[[1L]]), at, inside(ends[[2L]]), at,
    col = colour, lwd = 4, lend = "butt"
  )
  open <- is.infinite(ends)
  if (any(open)) {
    graphics::points(
      inside(ends)[open], rep(at, sum(open)),
      pch = c(60L, 62L)[open], col = colour, font = 2L, cex = 1.5, xpd = NA
    )
  }
}

finite_range <- function(...) {
  values <- c(...)
  values <- values[is.finite(values)]
  room <- 0.06 * diff(range(values))
  range(values) + c(-1, 1) * if (room > 0) room else 1
}

set_margins <- function(labels, top, bottom) {
  left <- 4.2
  if (!is.null(labels)) {
    inches <- max(graphics::strwidth(labels, "inches", cex = 0.75))
    # Half of the figure is for the data, however long the names are.
    inches <- min(inches, graphics::par("din")[[1L]] / 2)
    left <- inches / graphics::par("csi") + 1.2
  }
  graphics::par(mar = c(bottom, left, top, 1))
}

start_panel <- function(xlim, ylim, ...) {
  graphics::plot.new()
  window <- list(xlim = xlim, ylim = ylim, xaxs = "i", yaxs = "i")
  do.call(graphics::plot.window, utils::modifyList(window, list(...)))
}

# Below the axis, in the margin.
draw_task_legend <- function(labels, colours, points, lines, columns) {
  box <- graphics::par("usr")
  line <- graphics::par("cxy")[[2L]]
  graphics::legend(
    x = mean(box[1:2]), y = box[[3L]] - 3.4 * line, legend = labels, xjust = 0.5,
    col = colours, pch = points, lwd = lines, lty = ifelse(is.na(lines), NA, 1L),
    ncol = columns, bty = "n", xpd = NA, cex = 0.8,
    pt.cex = ifelse(points == 15L, 1.6, 0.75)
  )
}
