# This resource owns every rule of the storage account: other rules belong in it, too.
resource "azurerm_storage_management_policy" "snapferry" {
  storage_account_id = var.storage_account_id

  rule {
    name    = "snapferry5e5ba578weeklycatalog"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/weekly/catalog/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 35
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 49
      }
      version {
        delete_after_days_since_creation = 49
      }
    }
  }

  rule {
    name    = "snapferry5e5ba578weeklydata"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/weekly/data/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 44
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 58
      }
      version {
        delete_after_days_since_creation = 58
      }
    }
  }

  rule {
    name    = "snapferry5e5ba578monthlycatalog"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/monthly/catalog/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 35
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 49
      }
      version {
        delete_after_days_since_creation = 49
      }
    }
  }

  rule {
    name    = "snapferry5e5ba578monthlydata"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/monthly/data/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 44
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 58
      }
      version {
        delete_after_days_since_creation = 58
      }
    }
  }

  rule {
    name    = "snapferry5e5ba578yearlycatalog"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/yearly/catalog/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 35
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 49
      }
      version {
        delete_after_days_since_creation = 49
      }
    }
  }

  rule {
    name    = "snapferry5e5ba578yearlydata"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/yearly/data/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 44
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 58
      }
      version {
        delete_after_days_since_creation = 58
      }
    }
  }

  rule {
    name    = "snapferry5e5ba578doctorcanary"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/doctor/canary/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 1
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 2
      }
      version {
        delete_after_days_since_creation = 2
      }
    }
  }
}
