locals {
  failure_queue_names = { for key in keys(local.functions_on_streams) : key => "${local.function_names[key]}-failures" }
}

resource "aws_lambda_event_source_mapping" "stream" {
  for_each = local.functions_on_streams

  event_source_arn                   = module.table[each.value.event.stream].stream_arn
  function_name                      = module.function[each.key].alias_arn
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = each.value.event.batch_size
  maximum_batching_window_in_seconds = each.value.event.batch_window
  function_response_types            = ["ReportBatchItemFailures"]

  # A valid record is given up only because of its age, never because of the number of attempts. It is put into the failure queue
  # before the stream deletes it after 24 hours. Records that can't be read at all are parked by the consumer.
  bisect_batch_on_function_error = true
  maximum_retry_attempts         = -1
  maximum_record_age_in_seconds  = 64800

  dynamic "filter_criteria" {
    for_each = length(try(each.value.event.filter, [])) > 0 ? [each.value.event.filter] : []
    content {
      dynamic "filter" {
        for_each = filter_criteria.value
        content {
          pattern = jsonencode(filter.value)
        }
      }
    }
  }

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.failures[each.key].arn
    }
  }
}

resource "aws_sqs_queue" "failures" {
  for_each = local.failure_queue_names

  name                              = each.value
  message_retention_seconds         = 1209600
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 3600
}
